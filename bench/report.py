"""`python -m bench.report`: measure everything and write the tables of docs/performance.md.

Runs `python -m bench` on all sizes at 64 points, then ours alone on other batches, then
`python -m bench.jobs`; keeps their numbers beside the page and puts its tables between its markers.
`--only` takes some of them anew, `--reuse` none; arguments after `--` go to the first two.
On a machine that does anything else the numbers are not worth keeping.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "performance.md"
PEERS = {
    "scalar C": ("scalar C",),
    "numba": ("numba, plain", "numba, good", "numba, good, fastmath"),
    "JAX": ("JAX, arrays", "JAX, scalars", "JAX, linalg.qr", "JAX, hand QR"),
    "NumPy": ("NumPy batch",),
}


def times(table):
    """Return nanoseconds by competitor."""
    return {row["name"]: row["ns"] for row in table["rows"] if "ns" in row}


def ratio(table, names):
    """Return how many times longer the best of some competitors takes, as text."""
    found = times(table)
    best = [found[name] for name in names if name in found]
    return f"{min(best) / found['ours']:.1f}" if best else "-"


def nanoseconds(x, digits=3):
    """Return a time as text, to so many digits or whole."""
    return f"{x:.0f}" if x >= 10 ** (digits - 1) else f"{x:.{digits}g}"


def kernels(results):
    """Yield the table of all sizes."""
    yield "| M, L, J | work | ours / ns | least | " + " | ".join(PEERS) + " | reached |"
    yield "|---|---|---|---|" + "---|" * len(PEERS) + "---|"
    for table in results["tables"]:
        ours = table["rows"][0]
        size = f"{table['M']}, {table['L']}, {table['J']}"
        time = f"{nanoseconds(ours['ns'])} ± {nanoseconds(ours['spread'], 1)}"
        ratios = " | ".join(ratio(table, names) for names in PEERS.values())
        least = nanoseconds(ours["least"])
        yield f"| {size} | {table['work']} | {time} | {least} | {ratios} | {ours['reached']:.2f} |"


def batches(results):
    """Yield our own times over the number of points."""
    some = results["tables"]
    points = sorted({table["n_points"] for table in some})
    yield "| 3, 4, 4: points | " + " | ".join(map(str, points)) + " |"
    yield "|---|" + "---|" * len(points)
    for work in dict.fromkeys(table["work"] for table in some):
        found = {table["n_points"]: times(table)["ours"] for table in some if table["work"] == work}
        yield f"| {work} / ns | " + " | ".join(nanoseconds(found[n]) for n in points) + " |"


def jobs(results):
    """Yield the table of whole jobs."""
    yield "| job | user / s | system / s | wall / s | peak / MiB |"
    yield "|---|---|---|---|---|"
    for name, taken in results.items():
        if isinstance(taken, dict):
            yield "| {} | {user:.1f} | {system:.1f} | {wall:.1f} | {MiB:.0f} |".format(name, **taken)
    yield ""
    yield f"`import dmft` takes {results['import dmft']:.2f} s."


def machine(results):
    """Yield what the numbers were taken with."""
    facts, best = results["machine"], results["best_rates"]
    yield (
        f"{facts['processor']}, about {best['clock']:.2f} GHz, one core; {facts['compiler']}, `{facts['flags']}`, "
        f"SIMD path {facts['path']}; at best {best['fma']:.4f} ns per FMA and lane, {best['division']:.2f} per "
        f"division, "
        f"{best['exp']:.2f} per exp, {best['tanh']:.2f} per tanh."
    )


# What is run for each file of numbers.
RUNS = {
    "kernels": ["bench", "--points", "64"],
    "batches": ["bench", "--sizes", "3x4", "--only", "ours"],
    "jobs": ["bench.jobs"],
}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("--reuse", action="store_true", help="the numbers that are there")
    parser.add_argument("--only", choices=RUNS, help="run this one, reuse the others")
    args, rest = parser.parse_known_args()
    results = {}
    for name, (module, *words) in RUNS.items():
        file = DOCS / f"performance_{name}.json"
        if not args.reuse and args.only in (None, name):
            more = [word for word in rest if word != "--"] if module == "bench" else []
            subprocess.run([sys.executable, "-m", module, "--json", str(file), *words, *more], check=True)
        results[name] = json.loads(file.read_text())
        for table in results[name].get("tables", ()):  # the samples of all runs would be most of the file
            for row in table["rows"]:
                row.pop("samples", None)
        file.write_text(json.dumps(results[name], indent=1) + "\n")
    blocks = {
        "machine": machine(results["kernels"]),
        "kernels": kernels(results["kernels"]),
        "batches": batches(results["batches"]),
        "jobs": jobs(results["jobs"]),
    }
    text = PAGE.read_text()
    for name, lines in blocks.items():
        block = f"<!-- {name} -->\n" + "\n".join(lines) + f"\n<!-- end {name} -->"
        text = re.sub(f"<!-- {name} -->.*?<!-- end {name} -->", lambda _, block=block: block, text, flags=re.DOTALL)
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
