"""The template of the page: where its parts go on a wide and on a narrow screen, and how they look."""

TEMPLATE = """
{% block preamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<style>
  :root { --ink: #1d242c; --soft: #59636e; --line: #dfe4ea; }
  * { box-sizing: border-box; }
  body { margin: 0; background: #f4f6f8; color: var(--ink); font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; }
  header { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; padding: 10px 16px 0; }
  header h1 { font-size: 17px; margin: 0; }
  header p { margin: 0; color: var(--soft); }
  main { display: grid; grid-template-columns: 270px minmax(0, 1fr); gap: 12px; padding: 10px 16px 20px; }
  .knobs, .card { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; }
  .knobs { position: sticky; top: 10px; align-self: start; max-height: calc(100vh - 20px); overflow-y: auto; }
  .knobs h2, .card h2 { font-size: 12.5px; font-weight: 600; margin: 0 0 4px; }
  .knobs h2 { margin-top: 12px; padding-top: 8px; border-top: 1px solid var(--line); }
  .knobs h2:first-child { margin-top: 0; padding-top: 0; border: 0; }
  .card h2 small { font-weight: 400; color: var(--soft); font-size: 12px; }
  .cards { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 12px; align-content: start; }
  .all { grid-column: 1 / -1; } .half { grid-column: span 3; }
  .two { grid-column: span 4; } .third { grid-column: span 2; }
  @media (max-width: 1100px) { .third, .two, .half { grid-column: span 3; } .last { grid-column: 1 / -1; } }
  @media (max-width: 760px) {
    main { grid-template-columns: minmax(0, 1fr); padding: 8px; }
    header { padding: 8px 10px 0; }
    .knobs { position: static; max-height: none; order: 2; }
    .cards { grid-template-columns: minmax(0, 1fr); display: contents; }
    .cards > * { grid-column: 1; order: 3; }
    .cards > .verdict { order: 0; position: sticky; top: 0; z-index: 5; }
    .cards > .wide { order: 1; }
  }
</style>
{% endblock %}
{% block contents %}
<header><h1>dmft explore</h1><p>self-attention with 1-bit tokens, at infinite size: turn a knob and watch</p></header>
<main>
  <section class="knobs" aria-label="Parameters">
    <h2>Network</h2>
    {% for name in ("beta", "gamma", "epsilon", "n_context", "seed") %}{{ embed(roots[name]) }}{% endfor %}
    <h2>Start</h2>
    {{ embed(roots.start) }}
    <h2>Diagram</h2>
    {{ embed(roots.across) }}
    <h2>Take it home</h2>
    {{ embed(roots.take) }}
  </section>
  <div class="cards">
    <section class="card all verdict" aria-live="polite">{{ embed(roots.label) }}{{ embed(roots.notes) }}</section>
    <section class="card two wide">
      <h2>Bifurcation diagram <small>click: go there; below, two leading exponents</small></h2>
      {{ embed(roots.diagram) }}{{ embed(roots.leading) }}</section>
    <section class="card third"><h2>Phase space <small>drag to turn</small></h2>{{ embed(roots.space) }}</section>
    <section class="card half">
      <h2>Orbit <small>the last 128 token steps; below, irreversibility of each token</small></h2>
      {{ embed(roots.time) }}{{ embed(roots.arrow) }}</section>
    <section class="card half"><h2>Networks of N sites <small>beside the theory</small></h2>
      {{ embed(roots.sizes) }}</section>
    <section class="card half"><h2>Lyapunov exponents <small>with standard errors</small></h2>
      {{ embed(roots.exponents) }}</section>
    <section class="card half"><h2>Power spectrum</h2>{{ embed(roots.spectrum) }}</section>
  </div>
</main>
{% endblock %}
"""

LABEL_CSS = """
:host { font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; color: #1d242c; }
.kind { font-size: 18px; font-weight: 600; margin-right: 8px; }
.cycle { color: #0072B2; } .torus { color: #00805f; } .chaos, .hyperchaos { color: #b34700; }
.first, .lost, .undetermined { color: #59636e; }
.why { color: #59636e; }
p { margin: 2px 0; color: #8c2f00; }
"""
