/** A flame graph as one HTML file that needs nothing else: click to zoom, type to find. */
import type { Frame } from './profile.ts';

/** Frames narrower than this share of the whole are left out. */
const NARROW = 0.0005;

export function flamePage(title: string, root: Frame): string {
  const data = JSON.stringify(slim(root, root.total));
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
  :root { color-scheme: light dark; font: 13px/1.4 system-ui, sans-serif; }
  body { margin: 1rem; }
  h1 { font-size: 1.1rem; margin: 0 0 .5rem; }
  input { font: inherit; padding: .2rem .4rem; width: 20rem; max-width: 100%; }
  #said { min-height: 1.4em; margin: .5rem 0; }
  #graph { position: relative; }
  #graph button { position: absolute; height: 18px; border: 0; padding: 0 3px; overflow: hidden; white-space: nowrap; text-align: left;
    font: 11px/18px ui-monospace, monospace; color: #000; background: hsl(var(--hue) 75% 70%); box-shadow: inset 0 0 0 .5px #0004; cursor: pointer; }
  #graph button.found { background: #c6f; }
  #graph button:focus-visible { outline: 2px solid; z-index: 1; }
</style>
<h1>${escaped(title)}</h1>
<input id="find" placeholder="find a function or a file" aria-label="Find">
<p id="said" role="status"></p>
<div id="graph"></div>
<script>
const root = ${data.replaceAll('<', '\\u003c')};
const graph = document.getElementById('graph'), said = document.getElementById('said'), find = document.getElementById('find');
let top_ = root;
const hue = (text) => { let h = 0; for (const c of text) h = (h * 31 + c.charCodeAt(0)) % 60; return h; };
const share = (n) => (100 * n / root.t).toFixed(1) + ' %';
function draw() {
  graph.textContent = '';
  const word = find.value.toLowerCase(); let depthMax = 0, found = 0;
  const put = (frame, left, depth, isIn) => {
    const width = frame.t / top_.t; if (width < ${NARROW}) return;
    depthMax = Math.max(depthMax, depth);
    const hit = word !== '' && (frame.n + ' ' + frame.p).toLowerCase().includes(word);
    if (hit && !isIn) found += frame.t;
    const box = document.createElement('button');
    box.style.cssText = 'left:' + 100 * left + '%;width:' + 100 * width + '%;top:' + depth * 19 + 'px;--hue:' + hue(frame.p || frame.n);
    box.textContent = frame.n; if (hit) box.className = 'found';
    box.title = frame.n + '  ' + frame.p + '\\n' + share(frame.t) + ' in all, ' + share(frame.s) + ' alone';
    box.onmouseenter = box.onfocus = () => { said.textContent = box.title.replace('\\n', ': '); };
    box.onclick = () => { top_ = top_ === frame ? root : frame; draw(); };
    graph.append(box);
    let at = left;
    for (const child of frame.c) { put(child, at, depth + 1, isIn || hit); at += child.t / top_.t; }
  };
  put(top_, 0, 0, false);
  graph.style.height = (depthMax + 1) * 19 + 'px';
  if (word !== '') said.textContent = share(found) + ' in what was found';
}
find.oninput = draw; draw();
</script>
</html>
`;
}

interface Slim {
  readonly n: string;
  readonly p: string;
  readonly s: number;
  readonly t: number;
  readonly c: readonly Slim[];
}

function slim({ name, place, self, total, children }: Frame, all: number): Slim {
  const wide = children.filter((child) => child.total / all >= NARROW);
  return { n: name, p: place, s: self, t: total, c: wide.map((child) => slim(child, all)) };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
