/**
 * The reference page's script, as the browser gets it. Plain JavaScript, without back quotes, since it lies in a text.
 *
 * Holds: everything is put into the page as text or through the DOM, never as HTML: a name or an example stays what it is.
 */

export const script = String.raw`'use strict';
(() => {
  const METHODS = ['get', 'put', 'post', 'patch', 'delete'];
  const byId = (id) => document.getElementById(id);

  // An element, with attributes and children; a text is a text.
  const el = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children.filter((child) => child !== undefined && child !== ''));
    return element;
  };

  // What stands between back quotes is code; nothing else is marked up.
  const prose = (text) => String(text || '').split('\u0060').map((part, i) => (i % 2 ? el('code', {}, part) : part));

  const start = async () => {
    const answer = await fetch('/openapi.json');
    if (!answer.ok) throw new Error('/openapi.json answered ' + answer.status);
    const api = await answer.json();
    byId('version').textContent = api.info.version;
    byId('about').replaceChildren(
      ...prose('Every call is also served below \u0060/v1/namespaces/{namespace}\u0060, for a root credential. Refusals are \u0060application/problem+json\u0060 with a stable \u0060code\u0060: with 4xx nothing was stored; after 5xx, or without an answer, send it again with the same id. '),
      el('a', { href: '/openapi.json' }, 'openapi.json'),
    );
    const calls = [];
    for (const [path, item] of Object.entries(api.paths)) {
      if (path.startsWith('/v1/namespaces/')) continue;
      for (const method of METHODS) if (item[method]) calls.push({ path, method, ...item[method] });
    }
    const topics = api.tags.map(({ name }) => [name, calls.filter((call) => call.tags[0] === name)]);
    byId('nav').append(...topics.flatMap(([name, list]) => [el('h2', {}, name), el('ul', {}, ...list.map(navItem))]));
    byId('calls').append(...topics.map(([name, list]) => el('section', { class: 'topic' }, el('h2', {}, name), ...list.map(callCard))));
    search();
    follow();
  };

  const navItem = (call) => el('li', { 'data-call': call.operationId }, el('a', { href: '#' + call.operationId }, call.summary));

  const callCard = (call) => {
    const parameters = call.parameters || [];
    const card = el('article', { class: 'call', id: call.operationId, 'data-text': [call.summary, call.method, call.path, call.description].join(' ').toLowerCase() },
      el('h3', {}, el('a', { href: '#' + call.operationId }, call.summary)),
      el('p', { class: 'where' }, el('span', { class: 'method ' + call.method }, call.method.toUpperCase()), pathOf(call.path)));
    if (call.description) card.append(el('p', {}, ...prose(call.description)));
    card.append(curlOf(call));
    const groups = [['Query', 'query'], ['Headers', 'header']].map(([title, place]) => [title, parameters.filter((parameter) => parameter.in === place)]);
    for (const [title, list] of groups) if (list.length) card.append(fold(title, list.length, el('dl', {}, ...list.flatMap((parameter) => field(parameter.name, parameter.schema, parameter.required, parameter.description)))));
    if (call.requestBody) card.append(fold('Body', call.requestBody.required ? '' : 'optional', ...bodyOf(call.requestBody.content)));
    card.append(fold('Answers', Object.keys(call.responses).join(' '), ...Object.entries(call.responses).flatMap(answerOf)));
    return card;
  };

  const fold = (title, note, ...content) => el('details', {}, el('summary', {}, title, ' ', el('span', { class: 'faint' }, String(note))), ...content);

  const pathOf = (path) => el('span', { class: 'path' }, ...path.split(/(\{\w+\})/).filter(Boolean).map((part) => (part[0] === '{' ? el('b', {}, part) : part)));

  const bodyOf = (content) => Object.entries(content).flatMap(([type, { schema, example }]) => {
    const head = el('h4', {}, type, schema.description && !schema.type ? el('span', {}, ' — ', ...prose(schema.description)) : '');
    const shown = example === undefined ? [] : [el('pre', { tabindex: '0' }, el('code', {}, pretty(example)))];
    const fields = fieldsOf(schema);
    return [head, ...(schema.type && schema.description ? [el('p', { class: 'faint' }, ...prose(schema.description))] : []), ...shown, ...(fields.length ? [el('dl', {}, ...fields)] : [])];
  });

  const pretty = (example) => (typeof example === 'string' ? example : JSON.stringify(example, null, 2));

  const answerOf = ([status, { description, content = {}, headers = {} }]) => {
    const names = Object.entries(headers);
    const parts = [el('h4', {}, el('span', { class: 'status' }, status), ...prose(description))];
    if (names.length) parts.push(el('dl', {}, ...names.flatMap(([name, header]) => field(name, undefined, false, header.description))));
    // The form of a refusal is said once, above.
    if (Number(status) < 400) parts.push(...bodyOf(content));
    return parts;
  };

  // A schema's fields, those inside them too.
  const fieldsOf = (schema) => {
    if (!schema) return [];
    if (schema.type === 'array') return fieldsOf(schema.items);
    if (schema.properties) return Object.entries(schema.properties).flatMap(([name, inner]) => field(name, inner, (schema.required || []).includes(name), inner.description));
    const choices = (schema.anyOf || []).filter((choice) => fieldsOf(choice).length);
    return choices.length === 1 ? fieldsOf(choices[0]) : choices.flatMap((choice, i) => [el('dt', { class: 'faint' }, i ? 'or' : 'either'), el('dd', {}, el('dl', {}, ...fieldsOf(choice)))]);
  };

  const field = (name, schema, required, about) => {
    const inner = fieldsOf(schema);
    return [
      el('dt', {}, el('code', {}, name), el('span', { class: 'faint' }, kindOf(schema)), required ? el('span', { class: 'faint must' }, 'required') : ''),
      el('dd', {}, ...prose(about), inner.length ? el('dl', {}, ...inner) : ''),
    ];
  };

  const kindOf = (schema) => {
    if (!schema) return '';
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.anyOf) return [...new Set(schema.anyOf.map(kindOf))].filter(Boolean).join(' | ');
    if (schema.type === 'array') return 'list of ' + (kindOf(schema.items) || 'values');
    if (schema.type !== 'integer') return schema.type || 'any';
    const { minimum: low, maximum: high } = schema;
    if (low === undefined && high === undefined) return 'integer';
    return 'integer, ' + (high === undefined ? 'from ' + grouped(low) : grouped(low) + ' to ' + grouped(high));
  };

  const grouped = (number) => number.toLocaleString('en');

  const EXAMPLES = { station: 'orders', group: 'billing', partition: '0', sequence: '1', id: 'ID', consumer: 'worker-1' };

  const curlOf = (call) => {
    const path = call.path.replace(/\{(\w+)\}/g, (whole, name) => EXAMPLES[name] || name);
    const required = (call.parameters || []).filter((parameter) => parameter.in === 'query' && parameter.required);
    const query = required.map((parameter) => parameter.name + '=' + (EXAMPLES[parameter.name] || '…')).join('&');
    const [type, body] = Object.entries(call.requestBody ? call.requestBody.content : {})[0] || [];
    const words = ['curl'];
    if (call.method !== 'get' && !(call.method === 'post' && body && body.example !== undefined)) words.push('-X', call.method.toUpperCase());
    words.push(quoted(location.origin + path + (query ? '?' + query : '')));
    if (body && body.example !== undefined) words.push('-H', quoted('Content-Type: ' + (type === '*/*' ? 'application/json' : type)), '-d', quoted(typeof body.example === 'string' ? body.example : JSON.stringify(body.example)));
    const line = words.join(' ');
    const button = el('button', { type: 'button', 'aria-label': 'Copy the curl line' }, 'Copy');
    button.addEventListener('click', async () => {
      let done = 'Copied';
      try { await navigator.clipboard.writeText(line); } catch { done = 'Select it'; }
      button.textContent = done;
      byId('said').textContent = done;
      setTimeout(() => { button.textContent = 'Copy'; byId('said').textContent = ''; }, 1500);
    });
    return el('div', { class: 'curl' }, el('pre', {}, el('code', {}, line)), button);
  };

  const quoted = (text) => (/^[\w:/.@%+=,-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'");

  // What does not fit is hidden, in the list and in the page; topics without a call too.
  const search = () => {
    const input = byId('search');
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const card of document.querySelectorAll('.call')) {
        const fits = words.every((word) => card.dataset.text.includes(word));
        card.hidden = !fits;
        document.querySelector('[data-call="' + card.id + '"]').hidden = !fits;
        shown += fits ? 1 : 0;
      }
      for (const part of document.querySelectorAll('.topic')) part.hidden = !part.querySelector('.call:not([hidden])');
      for (const list of document.querySelectorAll('nav ul')) list.hidden = list.previousSibling.hidden = !list.querySelector('li:not([hidden])');
      byId('none').hidden = shown > 0;
    };
    input.addEventListener('input', apply);
    document.addEventListener('keydown', (event) => {
      const typing = event.target.matches('input, textarea');
      if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); input.focus(); }
      if (event.key === 'Escape' && event.target === input) { input.value = ''; apply(); input.blur(); }
    });
  };

  // The call that the address names is marked in the list, and unfolded nowhere: the curl line says most.
  const follow = () => {
    const mark = () => {
      const id = decodeURIComponent(location.hash.slice(1));
      for (const link of document.querySelectorAll('nav a')) {
        if (link.hash === '#' + id) link.setAttribute('aria-current', 'location');
        else link.removeAttribute('aria-current');
      }
      if (id && byId(id)) byId(id).scrollIntoView();
    };
    addEventListener('hashchange', mark);
    if (matchMedia('(max-width: 899px)').matches) byId('menu').open = false;
    byId('nav').addEventListener('click', () => { if (matchMedia('(max-width: 899px)').matches) byId('menu').open = false; });
    mark();
  };

  const theme = () => {
    const button = byId('theme');
    const words = { auto: ['Auto', 'as the system'], light: ['Light', 'light'], dark: ['Dark', 'dark'] };
    let now = 'auto';
    try { now = localStorage.getItem('wayside-theme') || 'auto'; } catch { /* no storage: the system's */ }
    const apply = () => {
      if (!words[now]) now = 'auto';
      if (now === 'auto') delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = now;
      button.textContent = words[now][0];
      button.setAttribute('aria-label', 'Theme: ' + words[now][1]);
    };
    button.addEventListener('click', () => {
      now = { auto: 'light', light: 'dark', dark: 'auto' }[now];
      try { localStorage.setItem('wayside-theme', now); } catch { /* for this visit only */ }
      apply();
    });
    apply();
  };

  theme();
  start().catch((error) => { byId('about').textContent = 'The reference cannot be shown: ' + error.message; });
})();
`;
