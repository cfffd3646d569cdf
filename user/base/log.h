/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event on stderr, "<name>: <level>: text"; under systemd with the <N> priority
 * prefix. Only programs log (agent, collector, cli); pure code never does. Never log captured
 * bytes. An identical line is printed at most once a second; how many were held back is said.
 */
#ifndef PROBITY_BASE_LOG_H
#define PROBITY_BASE_LOG_H

enum log_level { LOG_L_ERR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG };
void log_init(const char *name, enum log_level max);
void log_line(enum log_level l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_err(...) log_line(LOG_L_ERR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_L_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_L_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_L_DEBUG, __VA_ARGS__)

#endif
