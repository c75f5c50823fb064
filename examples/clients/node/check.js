// What the programs beside it need: it prints a line "ok - …" or "not ok - …" for each check.
const { isDeepStrictEqual, inspect } = require('node:util');
const { inTenant } = require('./tenant.js');

// whose rows a connection shows, and how many
const rows = "SELECT string_agg(DISTINCT tenant_id, '+') || ' ' || count(*) AS found FROM absence";
const one = async (client, sql = rows, values = []) => (await client.query(sql, values)).rows[0].found;

function is(found, expected, promise) {
  const same = isDeepStrictEqual(found, expected);
  console.log(`${same ? 'ok' : 'not ok'} - ${promise}`);
  if (!same) console.log(`# found ${inspect(found)}, expected ${inspect(expected)}`.replace(/\n/g, ' '));
}

// The reason code of a refusal is in the error's field "constraint"; other errors have an SQLSTATE.
async function refused(expected, work, promise) {
  const found = await work().then(
    (result) => ({ result }),
    (error) => error.constraint ?? error.code ?? error.message);
  is(found, expected, promise);
}

// Transactions of two tenants, all at the same time.
async function manyAtOnce(pool, number, promise) {
  const expected = [], running = [];
  for (let i = 0; i < number; i++) {
    const [token, answer] = i % 2 ? [process.env.ACME, 'acme 3'] : [process.env.GLOBEX, 'globex 2'];
    expected.push(answer);
    running.push(inTenant(pool, token, (client) => one(client)));
  }
  is(await Promise.all(running), expected, promise);
}

module.exports = { is, refused, one, manyAtOnce };
