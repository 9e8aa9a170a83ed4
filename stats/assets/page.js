// Follows /events and draws. Everything shown is set as text, never as markup: nodes choose their names themselves.
'use strict';
const $ = id => document.getElementById(id);
const NONE = '–';
let state = null, offset = 0;

const grouped = n => Math.round(n).toLocaleString('en-US');
function short(n, unit) {
  if (n == null || !isFinite(n)) return NONE;
  const steps = ['', 'k', 'M', 'G', 'T', 'P', 'E'];
  let i = 0;
  while (n >= 1000 && i < steps.length - 1) { n /= 1000; i++; }
  return (i === 0 && n === Math.floor(n) ? n : n.toPrecision(3)) + (unit || steps[i] ? ' ' : '') + steps[i] + (unit || '');
}
function span(seconds) {
  if (seconds < 100) return Math.max(0, Math.round(seconds)) + ' s';
  if (seconds < 5400) return Math.round(seconds / 60) + ' min';
  if (seconds < 172800) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' d';
}
const millis = ms => ms == null ? NONE : ms < 10000 ? ms + ' ms' : span(ms / 1000);
const hash = h => h && h.length > 14 ? h.slice(0, 8) + '…' + h.slice(-4) : h || '';
function gwei(wei) {
  if (wei == null) return NONE;
  return wei < 1e6 ? grouped(wei) + ' wei' : +(wei / 1e9).toPrecision(3) + ' gwei';
}
function set(id, text) {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
}

function chart(id, blocks, value, label) {
  const svg = $(id), width = 320 / 40, values = blocks.map(value);
  const top = Math.max(1e-9, ...values.map(v => v || 0));
  const bars = blocks.map((block, i) => {
    const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    const height = values[i] == null ? 0 : Math.max(1.5, values[i] / top * 70);
    bar.setAttribute('x', (40 - blocks.length + i) * width);
    bar.setAttribute('y', 72 - height);
    bar.setAttribute('width', width - 1.6);
    bar.setAttribute('height', height);
    bar.setAttribute('rx', 1);
    const title = document.createElementNS('http://www.w3.org/2000/svg', 'title');
    title.textContent = 'Block ' + grouped(block.number) + ': ' + (values[i] == null ? NONE : label(values[i]));
    bar.append(title);
    return bar;
  });
  svg.replaceChildren(...bars);
  const last = values[values.length - 1], text = last == null ? NONE : label(last);
  svg.setAttribute('aria-label', values.length + ' blocks, newest ' + text + ', highest ' + label(top));
  set(id + '-v', text);
}

function cell(tag, text, label, classes) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (label) element.dataset.label = label;
  if (classes) element.className = classes;
  return element;
}

function row(node, best, twins) {
  const tr = document.createElement('tr');
  const behind = node.block != null && best && best.number - node.block > 2;
  tr.className = node.active ? (behind ? 'behind' : '') : 'away';
  const head = cell('th', '');
  head.scope = 'row';
  const dot = cell('span', '', null, 'dot');
  dot.setAttribute('role', 'img');
  dot.setAttribute('aria-label', node.active ? (behind ? 'behind' : 'active') : 'away');
  head.append(dot, twins.get(node.name) > 1 ? node.name + ' (' + hash(node.id) + ')' : node.name);
  head.title = node.id + (node.system ? ' · ' + node.system : '') + (node.network ? ' · network ' + node.network : '');
  const block = node.block == null ? NONE : grouped(node.block) + (node.syncing ? ' (syncing)' : '');
  const mining = node.mining ? (node.hashrate ? short(node.hashrate, 'H/s') : 'yes') : 'no';
  const client = cell('td', node.client || NONE);
  client.title = node.client;
  const last = cell('td', block, 'Last block', 'n last');
  if (node.blockHash) last.title = node.blockHash;
  tr.append(head, client,
    cell('td', node.active ? millis(node.latency) : 'away ' + span((state.now - node.lastSeen) / 1000), 'Latency', 'n'),
    cell('td', mining, 'Mining'), cell('td', grouped(node.peers), 'Peers', 'n'),
    cell('td', grouped(node.pending), 'Pending', 'n'), last,
    cell('td', millis(node.averagePropagation), 'Propagation', 'n'), cell('td', node.uptime + ' %', 'Uptime', 'n'));
  return tr;
}

function draw() {
  const s = state, best = s.best;
  document.title = (best ? '#' + grouped(best.number) + ' · ' : '') + 'Network stats · Atoll';
  set('title', s.name === 'stats' ? 'network stats' : s.name);
  const shown = $('best').textContent;
  set('best', best ? '#' + grouped(best.number) : NONE);
  if (shown !== $('best').textContent) {
    $('best').classList.remove('fresh');
    void $('best').offsetWidth;
    $('best').classList.add('fresh');
  }
  set('besthash', best ? hash(best.hash) : '');
  set('lastminer', best ? 'by ' + hash(best.miner) : '');
  set('avgtime', s.averageBlockTime == null ? NONE : s.averageBlockTime.toFixed(1) + ' s');
  set('active', s.active + ' / ' + s.total);
  set('pending', grouped(s.pending) + ' pending transactions');
  set('difficulty', best ? short(best.difficulty) : NONE);
  set('hashrate', short(s.reportedHashrate > 0 ? s.reportedHashrate : s.networkHashrate, 'H/s'));
  set('uncles', grouped(s.uncles) + ' in ' + s.blocks.length);
  set('gasprice', gwei(s.gasPrice));
  set('gasused', best ? short(best.gasUsed) : NONE);
  set('gaslimit', best ? short(best.gasLimit) : NONE);
  chart('c-time', s.blocks, b => b.blockTime, v => (v < 100 ? v : grouped(v)) + ' s');
  chart('c-diff', s.blocks, b => b.difficulty, v => short(v));
  chart('c-gas', s.blocks, b => b.gasUsed, v => short(v));
  chart('c-tx', s.blocks, b => b.transactions, v => grouped(v));
  const twins = new Map();
  s.nodes.forEach(n => twins.set(n.name, (twins.get(n.name) || 0) + 1));
  const nodes = [...s.nodes].sort((a, b) => b.active - a.active || a.name.localeCompare(b.name, 'en', { numeric: true }));
  $('rows').replaceChildren(...nodes.map(n => row(n, best, twins)));
  document.querySelector('.scroll').hidden = nodes.length === 0;
  $('empty').hidden = nodes.length > 0;
  tick();
}

function tick() {
  if (state && state.lastBlockAt != null) set('age', span((Date.now() + offset - state.lastBlockAt) / 1000) + ' ago');
}

function link(text, kind) {
  set('link', text);
  $('link').className = 'pill ' + kind;
}

$('host').textContent = location.host;
const events = new EventSource('events');
events.onopen = () => link('live', 'on');
events.onerror = () => link('connection lost, retrying…', 'off');
events.onmessage = message => {
  state = JSON.parse(message.data);
  offset = state.now - Date.now();
  draw();
};
setInterval(tick, 1000);
