/** The reference page's frame. What is in it comes from /openapi.json (script.ts). */

export const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Wayside — reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/page.css">
</head>
<body>
<a class="skip" href="#main">To the calls</a>
<header>
  <p class="brand"><span class="mark" aria-hidden="true"></span>Wayside <span id="version" class="faint"></span></p>
  <label class="search"><span class="hidden">Find a call</span><input id="search" type="search" placeholder="Find a call" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></label>
  <button id="theme" type="button" aria-label="Theme: as the system">Auto</button>
</header>
<div class="columns">
  <details id="menu" open><summary>Calls</summary><nav id="nav" aria-label="Calls"></nav></details>
  <main id="main" tabindex="-1">
    <section class="lead">
      <h1>Reference</h1>
      <p id="about" class="faint">Reading /openapi.json …</p>
    </section>
    <div id="calls"></div>
    <p id="none" class="faint" hidden>No call fits.</p>
  </main>
</div>
<p id="said" class="hidden" role="status"></p>
<noscript><p class="lead">This page needs JavaScript. <a href="/openapi.json">/openapi.json</a> says the same.</p></noscript>
<script src="/docs/page.js" defer></script>
</body>
</html>
`;
