/* What "make analyze" tells cppcheck of PostgreSQL, whose headers it does not read. */
#define ERROR 21
#define FATAL 22
#define PANIC 23
#define ereport(level, ...) if ((level) >= ERROR) abort()
#define elog(level, ...) if ((level) >= ERROR) abort()
#define foreach(cell, list) for (cell = list_head(list); cell != NULL; cell = lnext(list, cell))
#define PG_MODULE_MAGIC
