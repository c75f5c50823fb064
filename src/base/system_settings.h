/*
 * system_settings.h - settings under which toms prints and parses expressions.
 */
#ifndef TOMS_SYSTEM_SETTINGS_H
#define TOMS_SYSTEM_SETTINGS_H

/*
 * Nothing but the system's own schema on the search path, and the forms of literals that a
 * dump has, whatever the client has set.  Returns the level for AtEOXact_GUC(true, level).
 */
extern int	toms_use_system_settings(void);

#endif							/* TOMS_SYSTEM_SETTINGS_H */
