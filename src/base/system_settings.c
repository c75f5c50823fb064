/*
 * system_settings.c - one set of settings for what toms prints and parses.
 *
 * An expression that is printed in one form and parsed in another would seem to have been
 * changed.
 */
#include "postgres.h"

#include "base/system_settings.h"
#include "utils/guc.h"

static const char *const settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"DateStyle", "ISO"},
	{"IntervalStyle", "postgres"},
	{"extra_float_digits", "3"},
};

int
toms_use_system_settings(void)
{
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	return level;
}
