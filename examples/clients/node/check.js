// Prints a line "ok - …" or "not ok - …" for each check.
const { isDeepStrictEqual, inspect } = require('node:util');

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

module.exports = { is, refused };
