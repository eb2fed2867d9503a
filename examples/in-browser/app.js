/**
 * The page: it produces, it has consumers, and it draws what the broker says. All that it knows of messages it asks the broker,
 * so that a second tab shows the same.
 */
import { browserBroker } from './lib/index.js';

const LEASE_MS = 4_000;
const MAX_DELIVERIES = 3;
const SHOWN = 60;
const LOOK_MS = 200;
const NAMES = ['ann', 'bob', 'cleo', 'dan', 'eve', 'finn', 'gus', 'hana'];

const $ = (selector) => document.querySelector(selector);
const broker = browserBroker({ onStatus: ({ state, error }) => trouble(state === 'disconnected' ? error : undefined) });
const orders = broker.station('orders');
const billing = orders.group('billing');

/** By sequence: `{ payload, state, who, deliveries, expiresAt }`. */
const messages = new Map();
/** Of this tab, by name. */
const consumers = new Map();
let following = new AbortController();
/** Consumers that have come so far: each has a name of its own. */
let came = 0;

// ── What the broker says ─────────────────────────────────────────────────────────────────────────────────────────────

/** Makes what is not there, and shows the last messages, then every new one. */
async function begin() {
  await orders.create();
  await billing.create({ leaseMs: LEASE_MS, maxDeliveries: MAX_DELIVERIES, backoff: [300] });
  const { counts } = await orders.info();
  const { unread } = await billing.info();
  const [{ first, last }] = counts;
  messages.clear();
  following.abort();
  following = new AbortController();
  follow(Math.max(first, last - SHOWN + 1), last - unread, following.signal).catch(trouble);
}

/** @param settled those up to it were given out before this page looked */
async function follow(from, settled, signal) {
  for await (const message of orders.read({ from, follow: true, signal })) {
    const { sequence } = message;
    messages.set(sequence, { payload: message.text(), state: sequence <= settled ? 'acked' : 'waiting', deliveries: 0 });
    messages.delete(sequence - SHOWN);
  }
}

/** One look at the group: who has what, and what has become of what somebody had. */
async function look() {
  const info = await billing.info();
  const out = new Map();
  for await (const each of billing.pending()) out.set(each.sequence, each);
  for (const [sequence, message] of messages) {
    const lease = out.get(sequence);
    if (lease !== undefined) {
      if (message.state !== 'leased' || message.deliveries !== lease.deliveries) told(sequence, lease);
      Object.assign(message, { state: 'leased', who: lease.consumer, deliveries: lease.deliveries, expiresAt: lease.expiresAt });
    } else if (message.state === 'leased') settle(sequence, message);
    // Nothing is left to give out: whatever does not lie dead is done.
    else if (info.unread === 0 && (message.state === 'waiting' || message.state === 'returned')) message.state = 'acked';
  }
  draw(info, out);
}

function told(sequence, { consumer, deliveries }) {
  if (deliveries > 1) say(`${consumer} has ${sequence}: delivery ${deliveries} of ${MAX_DELIVERIES}`, 'again');
}

/** Nobody has it any more: acknowledged in time, or its lease has run out. */
function settle(sequence, message) {
  if (Date.now() < message.expiresAt - 50) {
    message.state = 'acked';
    return;
  }
  message.state = message.deliveries >= MAX_DELIVERIES ? 'dead' : 'returned';
  if (message.state === 'dead') say(`${sequence} was delivered ${MAX_DELIVERIES} times: now it is a dead letter`, 'bad');
  else say(`The lease of ${message.who} on ${sequence} has run out: it goes to another one`, 'again');
}

// ── Consumers ────────────────────────────────────────────────────────────────────────────────────────────────────────

function add() {
  const round = Math.floor(came / NAMES.length);
  const name = NAMES[came++ % NAMES.length] + (round === 0 ? '' : round + 1);
  const consumer = { name, doing: 'looks for work', holds: undefined, isAlive: true };
  consumers.set(name, consumer);
  work(consumer).catch((error) => {
    consumers.delete(name);
    trouble(error);
  });
  say(`${name} has come`);
}

/** Takes one message after another, works a while, and acknowledges. */
async function work(consumer) {
  while (consumer.isAlive) {
    const [message] = await billing.fetch({ consumer: consumer.name, max: 1, waitMs: 2_000 });
    if (message === undefined) continue;
    Object.assign(consumer, { holds: message.sequence, doing: `works on ${message.sequence}` });
    await new Promise((resolve) => setTimeout(resolve, 700 + Math.random() * 1_300));
    // Killed in the middle of it: nobody says anything, and the lease runs out.
    if (!consumer.isAlive) return;
    await message.ack();
    Object.assign(consumer, { holds: undefined, doing: 'looks for work' });
  }
}

function kill(name) {
  const consumer = consumers.get(name);
  if (consumer === undefined) return;
  consumer.isAlive = false;
  consumers.delete(name);
  $(`#consumers [data-key="${name}"]`)?.remove();
  const holds = consumer.holds === undefined ? 'nothing in its hands' : `${consumer.holds} in its hands`;
  say(`${name} was killed with ${holds}`, 'bad');
}

// ── Drawing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function draw(info, out) {
  $('#empty').hidden = messages.size > 0;
  $('#counts').textContent = `${info.unread} to be delivered · ${info.inFlight} leased · ${info.dead} dead`;
  $('#letters').hidden = info.dead === 0;
  $('#letter-count').textContent = info.dead === 1 ? 'One dead letter.' : `${info.dead} dead letters.`;
  keyed($('#tape'), [...messages], ([sequence]) => String(sequence), drawMessage);
  const here = [...consumers.values()];
  const elsewhere = info.members.filter(({ consumer, inFlight }) => inFlight > 0 && !consumers.has(consumer));
  const held = (name) => [...out.values()].filter(({ consumer }) => consumer === name).map(({ sequence }) => sequence);
  const others = elsewhere.map(({ consumer }) => ({
    name: consumer,
    doing: `gone, or in another tab: has ${held(consumer).join(', ')}`,
    isElsewhere: true,
  }));
  keyed($('#consumers'), [...here, ...others], ({ name, isElsewhere }) => `${name}${isElsewhere ? '?' : ''}`, drawConsumer);
}

function drawMessage(item, [sequence, { payload, state, who = '', deliveries, expiresAt }]) {
  item.className = state;
  item.title = payload;
  item.style.setProperty('--who', colour(who));
  item.style.setProperty('--left', String(Math.max(0, Math.min(1, (expiresAt - Date.now()) / LEASE_MS))));
  const text = state === 'leased' ? who : ({ acked: 'done', dead: 'dead', returned: 'back' }[state] ?? '');
  const times = deliveries > 1 ? `×${deliveries}` : '';
  if (item.dataset.shown === state + text + times) return;
  item.dataset.shown = state + text + times;
  const number = Object.assign(document.createElement('b'), { textContent: String(sequence) });
  number.append(Object.assign(document.createElement('small'), { textContent: times }));
  item.replaceChildren(number, text);
}

function drawConsumer(item, { name, doing, isElsewhere = false }) {
  item.classList.toggle('elsewhere', isElsewhere);
  item.style.setProperty('--who', colour(name));
  if (item.childElementCount === 0) {
    const part = (className) => Object.assign(document.createElement('span'), { className });
    const button = Object.assign(document.createElement('button'), { type: 'button', className: 'kill', textContent: 'Kill' });
    button.setAttribute('aria-label', `Kill ${name}`);
    button.onclick = () => kill(name);
    item.append(part('name'), part('doing'), button);
  }
  item.querySelector('.name').textContent = name;
  item.querySelector('.doing').textContent = doing;
  item.querySelector('button').hidden = isElsewhere;
}

/** One child an item, made and removed as items come and go, so that focus stays where it is. */
function keyed(list, items, keyOf, update) {
  const known = new Map(Array.from(list.children, (child) => [child.dataset.key, child]));
  let at = list.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const child = known.get(key) ?? Object.assign(document.createElement('li'), {});
    child.dataset.key = key;
    known.delete(key);
    update(child, item);
    if (child === at) at = at.nextElementSibling;
    else list.insertBefore(child, at);
  }
  for (const child of known.values()) child.remove();
}

function colour(name) {
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.charCodeAt(0) * 47) % 360;
  return `hsl(${hue} 65% 50%)`;
}

function say(text, kind = '') {
  const time = Object.assign(document.createElement('time'), { textContent: new Date().toLocaleTimeString() });
  const item = Object.assign(document.createElement('li'), { className: kind });
  item.append(time, text);
  $('#log').prepend(item);
  while ($('#log').childElementCount > 100) $('#log').lastElementChild.remove();
}

function trouble(error) {
  $('#trouble').hidden = error === undefined;
  $('#trouble').textContent = error === undefined ? '' : error.message;
}

async function facts() {
  const { usage, quota, persisted } = await broker.storage();
  $('#host').textContent = { shared: 'a worker of all tabs', dedicated: 'a worker of this tab', elsewhere: 'a worker of another tab' }[
    broker.host
  ];
  $('#durability').textContent = 'stored by the browser (local)';
  $('#storage').textContent = `${(usage / 2 ** 20).toFixed(1)} MiB of ${(quota / 2 ** 30).toFixed(0)} GiB`;
  $('#persisted').textContent = persisted ? 'yes' : 'not promised';
  $('#persist').hidden = persisted;
}

// ── What the reader does ─────────────────────────────────────────────────────────────────────────────────────────────

async function produce(count) {
  const text = $('#payload').value;
  let payload = text;
  try {
    payload = JSON.parse(text);
  } catch {
    // It goes as a text then.
  }
  const stored = await Promise.all(Array.from({ length: count }, () => orders.produce(payload)));
  const [{ sequence }] = stored;
  say(count === 1 ? `Stored as ${sequence}` : `Stored as ${sequence} to ${stored.at(-1).sequence}`);
}

let streaming;
function stream() {
  clearInterval(streaming);
  streaming = streaming === undefined ? setInterval(() => produce(1).catch(trouble), 500) : undefined;
  $('#stream').setAttribute('aria-pressed', String(streaming !== undefined));
}

const attempt = (act) => () => act().catch(trouble);
$('#produce').onsubmit = (event) => {
  event.preventDefault();
  produce(1).catch(trouble);
};
$('[data-many]').onclick = attempt(() => produce(10));
$('#stream').onclick = stream;
$('#add').onclick = add;
$('#redrive').onclick = attempt(async () => {
  const { redriven } = await orders.deadLetters.redrive({ all: true });
  for (const message of messages.values()) if (message.state === 'dead') Object.assign(message, { state: 'returned', deliveries: 0 });
  say(`${redriven} sent to the group once more`, 'again');
});
$('#persist').onclick = attempt(async () => {
  await broker.persist();
  await facts();
});
$('#clear').onclick = attempt(async () => {
  await orders.remove();
  await begin();
  say('The station was removed, and made anew');
});

await begin();
await facts();
add();
add();
setInterval(attempt(facts), 5_000);
navigator.serviceWorker?.register('sw.js', { type: 'module' }).catch(trouble);
for (;;) {
  try {
    await look();
  } catch (error) {
    trouble(error);
  }
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
