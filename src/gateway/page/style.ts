/** The reference page's looks: one column on a phone, two from 900 px, light or dark as the system or the reader says. */

export const style = `:root {
  --ground: #fbfaf8; --raised: #ffffff; --line: #e4e0d8; --text: #1f2328; --faint: #5f6773; --link: #0b5cad; --mark: #c2410c;
  --code: #f3f0ea; --get: #0b6b4f; --put: #8a4b00; --post: #0b5cad; --patch: #6b3fa0; --delete: #b42318; --focus: #0b5cad;
  color-scheme: light;
}
@media (prefers-color-scheme: dark) {
  :root:not([data-theme="light"]) {
    --ground: #14171b; --raised: #1a1e24; --line: #2d333b; --text: #e6e9ed; --faint: #9aa4b1; --link: #7ab7ff; --mark: #fb923c;
    --code: #20252c; --get: #57c9a3; --put: #e5a04b; --post: #7ab7ff; --patch: #c4a2f2; --delete: #ff8a80; --focus: #7ab7ff;
    color-scheme: dark;
  }
}
:root[data-theme="dark"] {
  --ground: #14171b; --raised: #1a1e24; --line: #2d333b; --text: #e6e9ed; --faint: #9aa4b1; --link: #7ab7ff; --mark: #fb923c;
  --code: #20252c; --get: #57c9a3; --put: #e5a04b; --post: #7ab7ff; --patch: #c4a2f2; --delete: #ff8a80; --focus: #7ab7ff;
  color-scheme: dark;
}
* { box-sizing: border-box; }
html { scroll-padding-top: 5rem; }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
code, pre, kbd, .path { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace; font-size: .875em; }
code { background: var(--code); border-radius: 4px; padding: .1em .3em; }
.faint { color: var(--faint); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; z-index: 3; background: var(--raised); padding: .5rem 1rem; }

header { position: sticky; top: 0; z-index: 2; display: flex; align-items: center; gap: 1rem; padding: .75rem 1.25rem; background: var(--ground); border-bottom: 1px solid var(--line); }
.brand { margin: 0; font-weight: 650; letter-spacing: -.01em; white-space: nowrap; }
.brand .faint { font-weight: 400; font-size: .875rem; }
.mark { display: inline-block; width: .7em; height: .7em; margin-right: .5em; border: .2em solid var(--mark); border-radius: 50%; }
.search { position: relative; flex: 1; max-width: 26rem; margin-left: auto; }
.search input { width: 100%; font: inherit; font-size: .9375rem; color: inherit; background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: .45rem 2.2rem .45rem .75rem; }
.search kbd { position: absolute; right: .6rem; top: 50%; transform: translateY(-50%); color: var(--faint); border: 1px solid var(--line); border-radius: 4px; padding: 0 .4em; }
.search input:focus + kbd { display: none; }
button { font: inherit; font-size: .875rem; color: inherit; background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: .45rem .75rem; cursor: pointer; }
button:hover { border-color: var(--faint); }

.columns { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem 6rem; }
#menu { margin: 1rem 0; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); padding: .5rem 1rem; }
#menu > summary { cursor: pointer; font-weight: 600; }
nav h2 { font-size: .75rem; text-transform: uppercase; letter-spacing: .06em; color: var(--faint); margin: 1.25rem 0 .25rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: .25rem .5rem; margin: 0 -.5rem; border-radius: 6px; color: inherit; text-decoration: none; font-size: .9375rem; }
nav a:hover { background: var(--code); }
nav a[aria-current] { background: var(--code); font-weight: 600; }

.lead { max-width: 46rem; padding: 1.5rem 0 0; }
h1 { font-size: 1.75rem; letter-spacing: -.02em; line-height: 1.2; margin: 0 0 .5rem; }
.topic > h2 { font-size: 1.25rem; letter-spacing: -.01em; margin: 3rem 0 .75rem; }
.call { background: var(--raised); border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem 1.25rem .5rem; margin: 0 0 1rem; }
.call:target { border-color: var(--focus); }
.call h3 { margin: 0; font-size: 1.0625rem; }
.call h3 a { color: inherit; text-decoration: none; } .call h3 a:hover { text-decoration: underline; }
.call p { margin: .35rem 0 .75rem; max-width: 46rem; }
.where { margin: .5rem 0 .75rem; overflow-wrap: anywhere; }
.method { margin-right: .6rem; font-weight: 700; font-size: .75rem; letter-spacing: .04em; }
.method.get { color: var(--get); } .method.put { color: var(--put); } .method.post { color: var(--post); } .method.patch { color: var(--patch); } .method.delete { color: var(--delete); }
.path b { color: var(--mark); font-weight: 500; }
.curl { position: relative; margin: 0 0 .75rem; }
pre { margin: 0; background: var(--code); border-radius: 8px; padding: .75rem 1rem; overflow-x: auto; line-height: 1.5; }
pre code { background: none; padding: 0; font-size: inherit; }
.curl pre { padding-right: 5.5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.curl button { position: absolute; right: .4rem; top: .4rem; padding: .2rem .6rem; }
.call details { border-top: 1px solid var(--line); padding: .55rem 0; }
.call summary { cursor: pointer; font-size: .9375rem; font-weight: 600; }
.call summary .faint { font-weight: 400; }
.call details > :last-child { margin-bottom: .25rem; }
dl { margin: .5rem 0; display: grid; grid-template-columns: minmax(0, 1fr); }
dt { padding-top: .55rem; overflow-wrap: anywhere; }
dt .faint { font-size: .8125rem; margin-left: .4rem; }
dd { margin: .1rem 0 0; font-size: .9375rem; color: var(--faint); overflow-wrap: anywhere; }
dl dl { margin: .25rem 0 .25rem .5rem; padding-left: .75rem; border-left: 2px solid var(--line); }
h4 { font-size: .875rem; color: var(--faint); margin: .9rem 0 .25rem; font-weight: 400; max-width: 46rem; }
.status { font-variant-numeric: tabular-nums; font-weight: 650; color: var(--text); margin-right: .5rem; }
.must { color: var(--mark); }

@media (min-width: 900px) {
  .columns { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 3rem; }
  #menu { position: sticky; top: 4rem; align-self: start; max-height: calc(100vh - 5rem); overflow-y: auto; border: 0; background: none; padding: 0 .5rem; margin: 0; }
  #menu > summary { display: none; }
  .curl pre { white-space: pre-wrap; }
}
@media (max-width: 520px) {
  header { gap: .5rem; padding: .6rem 1rem; flex-wrap: wrap; }
  .search { order: 3; flex-basis: 100%; max-width: none; }
  #theme { margin-left: auto; }
  .columns { padding: 0 1rem 4rem; }
  .call { padding: 1rem 1rem .25rem; }
  html { scroll-padding-top: 7.5rem; }
}
`;
