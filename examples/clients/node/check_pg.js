// Tries tenant.js with the pg package, in one of the parts
//
//     before       an application that runs SET app.tenant_id on check-out, without toms
//     session      the same application with the two statements changed
//     transaction  one context per transaction
//
// test/t/client_node.pl runs it, and passes the connection and the tokens in the environment.
const { Pool } = require('pg');
const { inTenant, checkOut, giveBack } = require('./tenant.js');
const { is, refused, one, manyAtOnce } = require('./check.js');

const given = process.env;

// A pool of one connection, so that whatever is left behind is met by the next one.
async function withPool(user, work) {
  const pool = new Pool({ user, max: 1 });
  pool.on('connect', (client) => client.on('error', () => {})); // a lost connection ends a query, not the program
  await work(pool).finally(() => pool.end());
}

// What the application does is the same whoever sets its tenant.
async function application(client) {
  const found = [await one(client)];
  await client.query('BEGIN');
  found.push((await client.query('UPDATE absence SET hours = 4 WHERE true')).rowCount);
  await client.query('ROLLBACK');
  const key = await one(client, "INSERT INTO absence (employee_id, day) VALUES (18, '2026-02-02') RETURNING id AS found");
  found.push(await one(client));
  await client.query('DELETE FROM absence WHERE id = $1', [key]);
  return found.join(', ');
}
const ofAcme = 'acme 3, 3, acme 4';
const ofGlobex = 'globex 2, 2, globex 3';

async function before() {
  await withPool('app', async (pool) => {
    for (const [tenant, expected] of [['acme', ofAcme], ['globex', ofGlobex]]) {
      const client = await pool.connect();
      await client.query(`SET app.tenant_id TO '${tenant}'`);
      is(await application(client), expected, `before toms: ${tenant}`);
      await client.query('RESET app.tenant_id');
      client.release();
    }
  });
}

// the two statements

async function session() {
  await withPool('app', async (pool) => {
    const use = async (token, work) => {
      const client = await checkOut(pool, token);
      return work(client).finally(() => giveBack(client));
    };
    await expires(pool, use);
    for (const round of [1, 2]) {
      is(await use(given.ACME, application), ofAcme, `two statements changed: acme, round ${round}`);
      is(await use(given.GLOBEX, application), ofGlobex, '... and globex');
    }
    const server = (client) => one(client, 'SELECT pg_backend_pid() AS found');
    is(await use(given.ACME, server), await use(given.GLOBEX, server), '... on one connection');
    await refused('toms_context_ended', () => one(pool), 'after the return nothing is seen');
    await leaves(pool);
    await refusesTokens(pool, use);
    await openTransaction(pool, use);
  });
}

async function leaves(pool) {
  const client = await checkOut(pool, given.ACME);
  await client.query('SELECT toms.leave()');
  client.release();
  await refused('toms_context_ended', () => one(pool), 'toms.leave() on return does it too');
}

// A token of five seconds that nobody takes back.
async function expires(pool, use) {
  const client = await checkOut(pool, given.BRIEF);
  client.release();
  is(await one(pool), 'acme 3', 'a forgotten RESET: the next one sees the former tenant');
  is(await use(given.GLOBEX, (other) => one(other)), 'globex 2', "... but not with a token of one's own");
  const again = await checkOut(pool, given.BRIEF);
  again.release();
  is(await one(pool), 'acme 3', 'a forgotten RESET once more');
  await new Promise((done) => setTimeout(done, given.BRIEF_EXP * 1000 - Date.now() + 100));
  await refused('toms_context_expired', () => one(pool), '... ends with the token');
  is(await use(given.GLOBEX, (other) => one(other)), 'globex 2', '... and the connection is as good as new');
}

async function refusesTokens(pool, use) {
  const work = (client) => one(client);
  await refused('toms_context_expired', () => use(given.EXPIRED, work), 'an expired token is refused at check-out');
  await refused('toms_token_forged', () => use(given.FORGED, work), 'a forged one too');
  const client = await checkOut(pool, given.ACME);
  client.release();
  await refused('toms_context_expired', () => use(given.EXPIRED, work), 'a forgotten RESET, then a token that is refused at check-out');
  await refused('toms_context_missing', () => one(pool), '... leaves nobody the former tenant');
  const kept = await checkOut(pool, given.ACME);
  const change = () => kept.query("SELECT set_config('toms.token', $1, false)", [given.EXPIRED]);
  await refused('toms_context_expired', change, 'a token that is refused ends the context before it');
  await refused('toms_context_ended', () => work(kept), '... on the same connection');
  await giveBack(kept);
}

async function openTransaction(pool, use) {
  const client = await checkOut(pool, given.ACME);
  await client.query('BEGIN');
  await one(client);
  await giveBack(client);
  await refused('toms_context_swapped', () => use(given.GLOBEX, (other) => one(other)), 'returned within a transaction: another tenant is refused');
  const failed = await checkOut(pool, given.ACME);
  await failed.query('BEGIN');
  await failed.query('SELECT 1 / 0').catch(() => {});
  await giveBack(failed);
  await refused('toms_context_missing', () => one(pool), 'returned within a failed transaction: the connection is closed');
}

// one transaction

async function transaction() {
  await withPool('app_tx', async (pool) => {
    const found = (token) => inTenant(pool, token, (client) => one(client));
    for (const round of [1, 2]) {
      is(await found(given.ACME), 'acme 3', `one context per transaction: acme, round ${round}`);
      is(await found(given.GLOBEX), 'globex 2', '... and globex');
    }
    await refused('toms_context_ended', () => one(pool), 'after COMMIT nothing is seen');
    const insert = "INSERT INTO absence (employee_id, day) VALUES (18, '2026-02-02')";
    await refused('given up', () => inTenant(pool, given.ACME, async (client) => {
      await client.query(insert);
      throw { code: 'given up' };
    }), 'an error of the application is passed on');
    await refused('toms_context_ended', () => one(pool), '... nothing is seen after it');
    is(await found(given.ACME), 'acme 3', '... and nothing of it is stored');
    await verbs(pool, insert);
    await forgets(pool, found);
    await refused('57P01', () => inTenant(pool, given.ACME, (client) => client.query('SELECT pg_terminate_backend(pg_backend_pid())')),
      'a lost connection');
    is(await found(given.GLOBEX), 'globex 2', '... is replaced');
  });
  const pool = new Pool({ user: 'app_tx', max: 3 });
  await manyAtOnce(pool, 60, '60 transactions of two tenants on three connections').finally(() => pool.end());
}

async function verbs(pool, insert) {
  const of = (token, sql) => inTenant(pool, token, (client) => client.query(sql));
  await refused('toms_row_other_tenant', () => of(given.ACME, "INSERT INTO absence (tenant_id, employee_id, day) VALUES ('globex', 4, '2026-02-02')"),
    "a row of another tenant is not stored");
  is((await of(given.INTAKE, insert)).rowCount, 1, 'a role that may insert and no more inserts');
  await refused('toms_verb_not_permitted', () => of(given.INTAKE, `${insert} RETURNING id`), '... but not with RETURNING');
  await of(given.ACME, "DELETE FROM absence WHERE day = '2026-02-02'");
}

// The form of the session with a log-in that has no toms.session_context.
async function forgets(pool, found) {
  const client = await checkOut(pool, given.ACME);
  await refused('toms_context_ended', () => one(client), 'set_config(…, false) ends with its statement');
  await giveBack(client);
  await refused('toms_context_expired', () => found(given.EXPIRED), 'an expired token is refused');
  await refused('toms_context_ended', () => one(pool), '... and nothing is seen');
}

const parts = { before, session, transaction };
parts[process.argv[2]]().then(() => console.log('done'));
