// Prisma 7 with @prisma/adapter-pg: whose rows a client shows.

// A client that speaks for one token: each operation is a transaction of its own.
function forToken(prisma, token) {
  return prisma.$extends({
    query: {
      async $allOperations({ args, query }) {
        const [, result] = await prisma.$transaction([
          prisma.$queryRaw`SELECT set_config('toms.token', ${token}, true)`,
          query(args),
        ]);
        return result;
      },
    },
  });
}

// Several operations in one transaction.
function inTenant(prisma, token, work) {
  return prisma.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT set_config('toms.token', ${token}, true)`;
    return work(tx);
  });
}

// Prisma keeps PostgreSQL's SQLSTATE, not the reason code: 28000 asks for a new token, 42501 is a 403.
function sqlstate(error) {
  return error.meta?.driverAdapterError?.cause?.originalCode;
}

module.exports = { forToken, inTenant, sqlstate };
