import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { canonical, digest, digestOf, fingerprint, length, NotContent, parse } from '../../../extension/content.js';

const folder = new URL('../../vectors/content/', import.meta.url);
const vectors = readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => ({ name, ...JSON.parse(readFileSync(new URL(name, folder), 'utf8')) }));
const utf8 = (text) => new TextEncoder().encode(text);

test('every manifest that Python accepts has the same digest here', async () => {
  const fine = vectors.filter((vector) => vector.expect === 'ok' && vector.manifest);
  assert.ok(fine.length >= 10, `${fine.length} vectors`);
  for (const { name, manifest, digest: expected } of fine) {
    assert.equal(await digest(manifest), expected, name);
    assert.equal(await digestOf(utf8(canonical(manifest))), expected, name);
  }
});

/** The emoji and body grammars are recognised by the enforcer alone; what a manifest's bytes must be is checked here too. */
test('bytes that Python refuses for the manifest are refused here with the same reason and field', () => {
  const bad = vectors.filter((vector) => vector.expect !== 'ok' && ('bytes' in vector || 'bytes_hex' in vector || 'base64' in vector));
  assert.ok(bad.length >= 20, `${bad.length} vectors`);
  for (const vector of bad) {
    const bytes = 'bytes' in vector ? utf8(vector.bytes) : Buffer.from(vector.bytes_hex ?? vector.base64, vector.bytes_hex ? 'hex' : 'base64');
    assert.throws(() => parse(new Uint8Array(bytes)), (error) => {
      assert.ok(error instanceof NotContent, `${vector.name}: ${error}`);
      assert.deepEqual([error.reason, error.field], [vector.expect, vector.field], vector.name);
      return true;
    });
  }
});

test('canonical bytes refuse what has no canonical form', () => {
  for (const value of [1.5, 2 ** 53, -0, '\ud800', { 键: 1 }, undefined, () => 1, NaN]) assert.throws(() => canonical(value), NotContent);
  assert.equal(canonical({ b: [1, null, true], a: '\n"\u007f' }), '{"a":"\\n\\"\u007f","b":[1,null,true]}');
});

test('nesting stops at sixty-four', () => {
  const deep = (levels) => Array.from({ length: levels }).reduce((inner) => [inner], 0);
  assert.doesNotThrow(() => canonical(deep(64)));
  assert.throws(() => canonical(deep(65)), NotContent);
});

test('a changed letter changes the digest', async () => {
  const { manifest } = vectors.find((vector) => vector.name === 'ok-plain.json');
  assert.notEqual(await digest({ ...manifest, title: `${manifest.title}！` }), await digest(manifest));
});

test('a fingerprint is eight groups of four', () => {
  assert.equal(fingerprint(`sha256:${'0123456789abcdef'.repeat(4)}`), '0123 4567 89ab cdef 0123 4567 89ab cdef');
});

test('characters are counted as code points', () => {
  assert.equal(length('签发𠮷🙂'), 4);
});
