// node-postgres (pg): whose rows a connection shows.

// One context per transaction, also behind a pooler in transaction mode.
async function inTenant(pool, token, work) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query('BEGIN');
    await client.query("SELECT set_config('toms.token', $1, true)", [token]);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((lost) => { broken = lost; });
    throw error;
  } finally {
    client.release(broken); // with an error the pool closes the connection
  }
}

// One context per check-out, for applications that run a SET on check-out and a RESET on return.
// The log-in needs, once: ALTER ROLE app SET toms.session_context = on;
async function checkOut(pool, token) {
  const client = await pool.connect();
  try {
    await client.query("SELECT set_config('toms.token', $1, false)", [token]);
    return client;
  } catch (error) {
    client.release(error); // closed: toms has refused the token, or has not even seen it
    throw error;
  }
}

async function giveBack(client) {
  let failed;
  await client.query('RESET toms.token').catch((error) => { failed = error; });
  client.release(failed);
}

module.exports = { inTenant, checkOut, giveBack };
