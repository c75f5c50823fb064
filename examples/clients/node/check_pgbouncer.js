// Tries tenant.js through pgbouncer: the databases "transaction" and "session" are of that pool_mode,
// each with one server connection. test/t/client_pool.pl runs it, and passes connection and tokens in
// the environment.
const { Pool } = require('pg');
const { inTenant, checkOut, giveBack } = require('./tenant.js');
const { is, refused } = require('./check.js');

const given = process.env;
const rows = "SELECT string_agg(DISTINCT tenant_id, '+') || ' ' || count(*) AS found FROM absence";
const one = async (client) => (await client.query(rows)).rows[0].found;

async function transactionMode() {
  const pool = new Pool({ database: 'transaction', user: 'app_tx', max: 3 });
  const expected = [], running = [];
  for (let i = 0; i < 30; i++) {
    const [token, answer] = i % 2 ? [given.ACME, 'acme 3'] : [given.GLOBEX, 'globex 2'];
    expected.push(answer);
    running.push(inTenant(pool, token, one));
  }
  is(await Promise.all(running), expected, 'pg, transaction mode: 30 transactions of two tenants');
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
