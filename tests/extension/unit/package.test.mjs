import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('../../../extension/', import.meta.url);
const read = (name) => readFileSync(new URL(name, root), 'utf8');
const files = (folder = '', deep = true) => readdirSync(new URL(folder || '.', root), { withFileTypes: true }).flatMap((entry) => {
  if (entry.name === 'node_modules') return [];
  return entry.isDirectory() ? (deep ? files(`${folder}${entry.name}/`) : []) : [`${folder}${entry.name}`];
});
const manifest = JSON.parse(read('manifest.json'));
const words = Object.fromEntries(['zh_CN', 'en'].map((name) => [name, JSON.parse(read(`_locales/${name}/messages.json`))]));
const sources = files().filter((name) => /\.(js|html)$/.test(name));

test('the manifest asks for these rights and no more', () => {
  assert.deepEqual([...manifest.permissions].sort(), ['activeTab', 'alarms', 'scripting', 'sidePanel', 'storage']);
  assert.equal(manifest.host_permissions, undefined);
  assert.equal(manifest.content_scripts, undefined);
  assert.equal(manifest.web_accessible_resources, undefined);
  assert.equal(manifest.externally_connectable, undefined);
  assert.equal(manifest.storage.managed_schema, 'managed_schema.json');
  assert.match(manifest.minimum_chrome_version, /^\d+$/);
});

test('no page of the extension runs inline or foreign script', () => {
  const policy = manifest.content_security_policy.extension_pages;
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  for (const name of sources.filter((file) => file.endsWith('.html'))) {
    assert.doesNotMatch(read(name), /<script(?![^>]*src=)|\son\w+=|style=|https?:\/\//, name);
  }
});

test('the key fixes the id', () => {
  const hash = createHash('sha256').update(Buffer.from(manifest.key, 'base64')).digest('hex').slice(0, 32);
  const id = [...hash].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 16))).join('');
  assert.equal(id, 'fbblnbpmdnifioeinmcbeppnmmmglfkc');
});

test('no private key lies in the folder', () => {
  for (const name of files()) assert.doesNotMatch(readFileSync(new URL(name, root), 'latin1'), /PRIVATE KEY/, name);
});

test('nothing turns text into markup or code', () => {
  for (const name of sources) {
    assert.doesNotMatch(read(name), /\.(innerHTML|outerHTML|srcdoc)\s*=[^=]|insertAdjacentHTML|document\.write|\beval\(|new Function\(|setTimeout\(['"`]/, name);
  }
});

test('no file names an address on the network', () => {
  const allowed = /https:\/\/(\*\/\*|desk\.example\.com|embedded\.invalid|`|\$\{)|http:\/\/www\.w3\.org\/1999\/xhtml|http:\/\/(\*\.)?localhost/;
  for (const name of files().filter((file) => /\.(js|html|css|json)$/.test(file) && !file.startsWith('package'))) {
    for (const [hit] of read(name).matchAll(/https?:\/\/[^\s'",;)]+/g)) assert.match(hit, allowed, `${name}: ${hit}`);
  }
});

test('the lock file names no registry', () => {
  assert.doesNotMatch(read('package-lock.json'), /https?:|resolved/);
});

test('both languages have the same sentences with the same places', () => {
  assert.deepEqual(Object.keys(words.zh_CN).sort(), Object.keys(words.en).sort());
  for (const [key, { message }] of Object.entries(words.zh_CN)) {
    const places = (text) => [...new Set(text.match(/\$\d/g) ?? [])].sort();
    assert.deepEqual(places(message), places(words.en[key].message), key);
    assert.ok(message.trim() && words.en[key].message.trim(), key);
    assert.doesNotMatch(words.en[key].message, /[\u4e00-\u9fff]/.test(words.en[key].message) && key !== 'name' ? /[\u4e00-\u9fff]/ : /^$/, key);
  }
});

test('every sentence is used and every used sentence exists', () => {
  const text = sources.map(read).join('\n');
  const used = new Set(text.match(/(?:\bt\(|button\()(?:\s*[^'"`()]*\?\s*)?'(\w+)'(?:\s*:\s*'(\w+)')?/g)?.flatMap((hit) => [...hit.matchAll(/'(\w+)'/g)].map(([, key]) => key)));
  for (const [, key] of text.matchAll(/data-t(?:-\w+)?="(\w+)"/g)) used.add(key);
  for (const [, key] of text.matchAll(/need\([^\n]*'(\w+)'\);/g)) used.add(key);
  const families = [...text.matchAll(/`(\w+_)\$\{/g)].map(([, prefix]) => prefix);
  for (const key of used) assert.ok(key in words.en, `no sentence for ${key}`);
  for (const key of Object.keys(words.en)) {
    const known = used.has(key) || text.includes(`'${key}'`) || families.some((prefix) => key.startsWith(prefix)) || ['name', 'shortName', 'description'].includes(key);
    assert.ok(known, `nobody says ${key}`);
  }
  for (const code of text.match(/const KNOWN = \[([^\]]*)\]/)[1].matchAll(/'(\w+)'/g)) {
    assert.ok(`problem_${code[1]}` in words.en && `problem_${code[1]}_next` in words.en, code[1]);
  }
});
