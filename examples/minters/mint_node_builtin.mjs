// Node 18 or newer, no package: node mint_node_builtin.mjs app.jwk
import { readFileSync } from 'node:fs';
import { createPrivateKey, randomUUID, sign } from 'node:crypto';

const jwk = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const now = Math.floor(Date.now() / 1000);
const b64 = (data) => Buffer.from(data).toString('base64url');
const input = b64(JSON.stringify({ alg: 'EdDSA', kid: jwk.kid, typ: 'JWT' })) + '.' + b64(JSON.stringify({
  tenant: 'acme', sub: '17', role: 'hr', purpose: 'absence_management',
  iat: now, exp: now + 300, jti: randomUUID() }));
console.log(input + '.' + b64(sign(null, Buffer.from(input), createPrivateKey({ key: jwk, format: 'jwk' }))));
