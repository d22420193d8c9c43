"""The explorer: a page in the browser on which one turns the knobs of a network and watches; ``dmft explore``.

`state` is what is shown, `pieces` what is computed of it, `pictures` in which order, `worker` the thread that does it
for the latest value alone, `exports` what can be taken home. None of these needs Bokeh; `document` is the page of one
browser, `server` lends it out.
"""
