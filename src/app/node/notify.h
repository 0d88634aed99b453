/* notify.h: what a service tells systemd (sd_notify(3)), where that started it and asked for it. */
#ifndef MRC_APP_NODE_NOTIFY_H
#define MRC_APP_NODE_NOTIFY_H

/** Sends the words, such as "READY=1". Who did not ask hears nothing; what cannot be said is lost. */
void mrc_notify(const char *words);
/** "RELOADING=1" with the time that systemd wants to be told. */
void mrc_notify_reloading(void);
/** Seconds between two calls of mrc_notify("WATCHDOG=1"), half of what systemd waits; 0: it does
 * not wait for any. */
double mrc_notify_watchdog_s(void);

#endif
