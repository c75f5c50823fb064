// Tries tenant.js through pgbouncer: the databases "transaction" and "session" are of that pool_mode,
// each with one server connection. test/t/client_pool.pl runs it, and passes connection and tokens in
// the environment.
const { Pool } = require('pg');
const { checkOut, giveBack } = require('./tenant.js');
const { is, refused, one, manyAtOnce } = require('./check.js');

const given = process.env;

async function transactionMode() {
  const pool = new Pool({ database: 'transaction', user: 'app_tx', max: 3 });
  await manyAtOnce(pool, 30, 'pg, transaction mode: 30 transactions of two tenants');
  const client = await checkOut(pool, given.ACME);
  await refused('toms_context_ended', () => one(client), '... a context per check-out is refused at its first query');
  await giveBack(client);
  await pool.end();
}

async function sessionMode() {
  for (const [token, answer] of [[given.ACME, 'acme 3'], [given.GLOBEX, 'globex 2']]) {
    const pool = new Pool({ database: 'session', user: 'app', max: 1 });
    const client = await checkOut(pool, token);
    is(await one(client), answer, `pg, session mode: ${answer}`);
    await giveBack(client);
    await refused('toms_context_ended', () => one(pool), '... nothing is seen after the return');
    await pool.end();
  }
}

transactionMode().then(sessionMode).then(() => console.log('done'));
