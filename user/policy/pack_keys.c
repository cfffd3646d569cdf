// SPDX-License-Identifier: Apache-2.0
/* Tables only. Where the order matters it is that of the enum the word is read into. */
#include "pack_keys.h"

const char *const keys_pack[] = {"pack", "version", "revision", "description", "mode",
				 "gate", "rules",   "tests",	"coverage",    NULL};
const char *const keys_gate[] = {"hold", "full", NULL};
const char *const keys_rule[] = {"id",	     "description", "on",	   "severity", "risk",
				 "controls", "match",	    "disposition", "mode",     "schedule",
				 "rollout",  "exceptions",  "fail",	   "unknown",  "refuse",
				 "quic",     "redact",	    "else",	   "hold",     "then",
				 NULL};
const char *const keys_schedule[] = {"days", "hours", "zone", NULL};
const char *const keys_rollout[] = {"percent", NULL};
const char *const keys_exception[] = {"match", "reason", "until", NULL};
const char *const keys_hold[] = {"for", "block", NULL};
const char *const keys_then[] = {"exec", "connect", NULL};
const char *const keys_regex[] = {"regex", NULL};
const char *const keys_groups[] = {"all", "any", "not", NULL};
const char *const keys_test[] = {"name", "given", "expect", NULL};
const char *const keys_given[] = {"on", "stage", "now", "host_id", NULL};
const char *const keys_expect[] = {"disposition", "would", "rules",    "unknown", "monitored",
				   "excepted",	  "risk",  "deciding", NULL};

const char *const words_mode[] = {"monitor", "enforce", NULL};
const char *const words_on[] = {"call", "exec", "connect", "tool_call", NULL};
const char *const words_severity[] = {"info", "low", "medium", "high", "critical", NULL};
const char *const words_disposition[] = {"allow", "alert", "hold", "redact", "deny", "kill", NULL};
const char *const words_fail[] = {"open", "closed", NULL};
const char *const words_unknown[] = {"allow", "alert", "deny", NULL};
const char *const words_else[] = {"allow", "alert", "hold", "deny", "kill", NULL};
const char *const words_refuse[] = {"error", "shutdown", "kill", NULL};
const char *const words_quic[] = {"drop", NULL};
const char *const words_full[] = {"pass", "refuse", "stop", NULL};
const char *const words_stage[] = {"process", "host", "request", "done", NULL};
const char *const words_coverage[] = {"full", NULL};

/* ISO/IEC 42001:2023, Annex A: all 38. */
const char *const words_controls[] = {
	"A.2.2",   "A.2.3",   "A.2.4",			     /* policies */
	"A.3.2",   "A.3.3",				     /* organisation */
	"A.4.2",   "A.4.3",   "A.4.4",	 "A.4.5",   "A.4.6", /* resources */
	"A.5.2",   "A.5.3",   "A.5.4",	 "A.5.5",	     /* impacts */
	"A.6.1.2", "A.6.1.3",				     /* life cycle: guidance */
	"A.6.2.2", "A.6.2.3", "A.6.2.4", "A.6.2.5", "A.6.2.6", "A.6.2.7",
	"A.6.2.8", "A.7.2",   "A.7.3",	 "A.7.4",   "A.7.5",   "A.7.6", /* data */
	"A.8.2",   "A.8.3",   "A.8.4",	 "A.8.5",			/* information for others */
	"A.9.2",   "A.9.3",   "A.9.4",					/* use */
	"A.10.2",  "A.10.3",  "A.10.4",					/* third parties */
	NULL};
