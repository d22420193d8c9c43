"""Train two layers of spin attention to read digits, beside a logistic regression: of the digits in scikit-learn.

The eight rows of an image are tokens: each is embedded with what its place adds, goes through two layers of two steps,
and all outputs are read out together. Gradients are those of the layers (`vjp`), the rest is 60 lines of NumPy, Adam
included. Writes digits.png, and prints losses and accuracies. Two minutes on two cores:

    pip install scikit-learn
    python examples/spin_digits.py FOLDER [--epochs 20]
"""

import argparse
import time
from pathlib import Path

import numpy as np

from dmft import figures
from dmft.spins import SpinAttention, SpinTransformer


def digits(file):
    """Return images (n, 8, 8) in [0, 1] and labels, in an order drawn at random."""
    if file is not None:
        with np.load(file) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    else:
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise SystemExit("the digits come with scikit-learn: pip install scikit-learn") from None
        images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return images.reshape(-1, 8, 8)[order] / 16.0, labels[order].astype(int)


class Reader:
    """Embedding, two layers and a readout; parameters by name."""

    def __init__(self, width, heads, n_steps, seed=0):
        rng = np.random.default_rng(seed)
        self.heads, self.n_steps = heads, n_steps
        self.values = {
            "embed": rng.normal(size=(8, width)),
            "place": 0.5 * rng.normal(size=(8, width)),
            "first": rng.normal(size=(2 * width, width)) / width,
            "second": rng.normal(size=(2 * width, width)) / width,
            "readout": np.zeros((8 * width, 10)),
            "bias": np.zeros(10),
        }

    def parts(self, images):
        """Return the layers, their tokens, their blocks and what the last one makes of them."""
        names = ("first", "second")
        layers = SpinTransformer(
            [SpinAttention(self.values[name], self.heads, 2.0, n_steps=self.n_steps) for name in names]
        )
        tokens = images @ self.values["embed"] + self.values["place"]
        blocks = layers(tokens)
        return layers, tokens, blocks, blocks[-1].output.reshape(len(images), -1)

    def scores(self, images):
        """Return the scores of the ten labels."""
        return self.parts(images)[-1] @ self.values["readout"] + self.values["bias"]

    def gradients(self, images, labels):
        """Return the mean cross entropy of a batch, and its gradients by name."""
        layers, tokens, blocks, features = self.parts(images)
        loss, slope = cross_entropy(features @ self.values["readout"] + self.values["bias"], labels)
        back = layers.vjp(tokens, (slope @ self.values["readout"].T).reshape(tokens.shape), blocks=blocks)
        return loss, {
            "embed": np.einsum("brp,brw->pw", images, back[0].inputs),
            "place": back[0].inputs.sum(axis=0),
            "first": back[0].weights,
            "second": back[1].weights,
            "readout": features.T @ slope,
            "bias": slope.sum(axis=0),
        }


def cross_entropy(scores, labels):
    """Return the mean cross entropy of labels, and its gradient by the scores."""
    scores = scores - scores.max(axis=1, keepdims=True)
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1.0
    return loss, p / len(labels)


def adam(values, gradients, moments, t, rate=0.01):
    """Take a step of Adam, in place."""
    for name, gradient in gradients.items():
        first, second = moments.setdefault(name, [np.zeros_like(gradient), np.zeros_like(gradient)])
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        values[name] -= rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)


def regression(train, test):
    """Return the loss and the accuracy of a logistic regression of the pixels, by plain gradient steps."""
    (images, labels), moments = train, {}
    values = {"readout": np.zeros((64, 10)), "bias": np.zeros(10)}
    pixels = images.reshape(len(images), -1)
    for t in range(1, 501):
        slope = cross_entropy(pixels @ values["readout"] + values["bias"], labels)[1]
        found = {"readout": pixels.T @ slope + 1e-4 * values["readout"], "bias": slope.sum(axis=0)}
        adam(values, found, moments, t, rate=0.05)
    scores = test[0].reshape(len(test[0]), -1) @ values["readout"] + values["bias"]
    return cross_entropy(scores, test[1])[0], (scores.argmax(axis=1) == test[1]).mean()


def main(argv=None):
    """Train, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.02)
    parser.add_argument("--file", help="a .npz with images (n, 64), 0 to 16, and labels (n,)")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    images, labels = digits(args.file)
    cut = 3 * len(labels) // 4
    train, test = (images[:cut], labels[:cut]), (images[cut:], labels[cut:])
    base_loss, base_accuracy = regression(train, test)
    print(f"logistic regression: test loss {base_loss:.3f}, accuracy {base_accuracy:.3f}")
    reader, rng, moments = Reader(args.width, heads=1, n_steps=2), np.random.default_rng(1), {}
    history, t, begun = [], 0, time.perf_counter()
    for epoch in range(args.epochs):
        losses = []
        for batch in np.array_split(rng.permutation(cut), max(1, cut // 64)):
            t += 1
            loss, found = reader.gradients(train[0][batch], train[1][batch])
            adam(reader.values, found, moments, t, rate=args.rate * (1 - epoch / args.epochs))
            losses.append(loss)
        scores = reader.scores(test[0])
        history.append((np.mean(losses), cross_entropy(scores, test[1])[0], (scores.argmax(axis=1) == test[1]).mean()))
        train_loss, test_loss, accuracy = history[-1]
        print(
            f"epoch {epoch + 1:2d}: loss {train_loss:.3f}, of the test {test_loss:.3f}, accuracy {accuracy:.3f}, "
            f"{time.perf_counter() - begun:.0f} s",
            flush=True,
        )
    figure = draw(np.array(history), base_loss, base_accuracy, reader, images)
    print(f"drew {figures.save(figure, args.folder / 'digits.png')}")


@figures.style()
def draw(history, base_loss, base_accuracy, reader, images):
    """Draw losses and accuracies over epochs, and what rows of one image attend to."""
    figure, ((left, right, image, *attention),) = figures.subplots(1, 5, height=1.9, width_ratios=[2, 2, 1, 1, 1])
    epochs = np.arange(1, len(history) + 1)
    left.semilogy(epochs, history[:, 0], label="training")
    left.semilogy(epochs, history[:, 1], label="test")
    left.axhline(base_loss, color="k", ls=":", label="logistic regression, test")
    left.set(xlabel="epoch", ylabel="cross entropy, nats")
    left.legend()
    right.plot(epochs, history[:, 2], "C1")
    right.axhline(base_accuracy, color="k", ls=":")
    right.set(xlabel="epoch", ylabel="accuracy of the test")
    image.imshow(images[0], cmap="gray_r")
    image.set(title="an image", ylabel="row: a token")
    blocks = reader.parts(images[:1])[2]
    for panel, block, name in zip(attention, blocks, ("layer 1", "layer 2"), strict=True):
        panel.imshow(block.couplings[0, 0], cmap="magma", vmin=0)
        panel.set(title=name, xlabel="row read")
    return figure


if __name__ == "__main__":
    main()
