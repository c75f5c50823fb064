// Tries prisma.js. test/t/client_node.pl runs it, and passes the connection and the tokens in the
// environment.
const { PrismaClient } = require('@prisma/client');
const { PrismaPg } = require('@prisma/adapter-pg');
const { forToken, inTenant, sqlstate } = require('./prisma.js');
const { is, refused } = require('./check.js');

const given = process.env;
const day = new Date('2026-02-02');
const prisma = new PrismaClient({ adapter: new PrismaPg({ user: 'app_tx', max: 2 }) });
const acme = forToken(prisma, given.ACME), globex = forToken(prisma, given.GLOBEX);
const tenants = async (client) => [...new Set((await client.absence.findMany()).map((row) => row.tenant_id))].join('+');
const state = (expected, work, promise) => refused(expected, () => work().catch((error) => { throw { code: sqlstate(error) ?? error }; }), promise);

async function reads() {
  for (const round of [1, 2]) {
    is([await tenants(acme), await acme.absence.count()], ['acme', 3], `one operation, one transaction: acme, round ${round}`);
    is([await tenants(globex), await globex.absence.count()], ['globex', 2], '... and globex');
  }
  is(await acme.$queryRaw`SELECT DISTINCT tenant_id FROM absence`, [{ tenant_id: 'acme' }], 'raw queries too');
  await state('28000', () => prisma.absence.findMany(), 'without a token: refused');
  await state('28000', () => forToken(prisma, given.EXPIRED).absence.findMany(), 'an expired token: refused');
  is(await prisma.$queryRaw`SELECT 1 AS one`, [{ one: 1 }], 'a health check needs no token');
}

// Prisma gathers calls of findUnique of one moment into one query.
async function atOnce() {
  const ids = (await acme.absence.findMany()).concat(await globex.absence.findMany()).map((row) => row.id);
  const found = await Promise.all(ids.flatMap((id) => [acme, globex].map((client) => client.absence.findUnique({ where: { id } }))));
  is(found.map((row) => row?.tenant_id ?? '-').join(' '), 'acme - acme - acme - - globex - globex', 'both tenants ask for all keys in one moment');
}

async function writes() {
  const made = await acme.absence.create({
    data: { employee_id: 18, day, certificates: { create: [{ follow_up: false }, { follow_up: true }] } },
    include: { certificates: true } });
  is([made.tenant_id, made.certificates.map((c) => c.tenant_id)], ['acme', ['acme', 'acme']], 'create, with children');
  is(await acme.absence.createMany({ data: [1, 2].map((employee_id) => ({ employee_id, day })) }), { count: 2 }, 'createMany');
  is((await acme.absence.createManyAndReturn({ data: [{ employee_id: 3, day }] })).map((row) => row.tenant_id), ['acme'], 'createManyAndReturn');
  const { id } = made, where = { id };
  is((await acme.absence.upsert({ where, update: { hours: 4 }, create: { employee_id: 18, day } })).hours, 4, 'upsert');
  is(await globex.absence.updateMany({ where: { day }, data: { hours: 0 } }), { count: 0 }, "another tenant's updateMany finds nothing");
  await refused('P2025', () => globex.absence.update({ where, data: { hours: 0 } }), "... nor does update");
  await state('42501', () => acme.absence.create({ data: { tenant_id: 'globex', employee_id: 4, day } }), 'a row for another tenant is refused');
  const intake = forToken(prisma, given.INTAKE), data = { employee_id: 18, day };
  is(await intake.absence.createMany({ data: [data] }), { count: 1 }, 'createMany needs the verb insert and no more');
  await state('42501', () => intake.absence.create({ data }), '... create has a RETURNING, which needs select');
  await acme.certificate.deleteMany();
  is(await acme.absence.deleteMany({ where: { day } }), { count: 5 }, 'deleteMany');
}

async function together() {
  await refused('given up', () => inTenant(prisma, given.ACME, async (tx) => {
    await tx.absence.create({ data: { employee_id: 18, day } });
    is([await tenants(tx), await tx.absence.count()], ['acme', 4], 'several operations in one transaction');
    throw { code: 'given up' };
  }), '... that rolls back');
  is(await acme.absence.count(), 3, '... and leaves nothing');
  await state('28000', () => prisma.$transaction((tx) => tx.absence.count()), 'a transaction without a token: refused');
  await refused('given up', () => acme.$transaction(async (tx) => {
    await tx.absence.create({ data: { employee_id: 18, day } });
    throw { code: 'given up' };
  }), "$transaction of forToken's client");
  is(await acme.absence.deleteMany({ where: { day } }), { count: 1 }, '... is none: each operation has committed');
}

(async () => {
  await reads();
  await atOnce();
  await writes();
  await together();
  await prisma.$disconnect();
  console.log('done');
})();
