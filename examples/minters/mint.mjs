// Node 18 or newer with jose (npm install jose; jose@5 for Node 18): node mint.mjs app.jwk
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { SignJWT, importJWK } from 'jose';

const jwk = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const token = await new SignJWT({ tenant: 'acme', sub: '17', role: 'hr', purpose: 'absence_management' })
  .setProtectedHeader({ alg: 'EdDSA', kid: jwk.kid, typ: 'JWT' })
  .setIssuedAt().setExpirationTime('5m').setJti(randomUUID())
  .sign(await importJWK(jwk, 'EdDSA'));
console.log(token);
