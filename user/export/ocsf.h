/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of OCSF events, shared by its classes. Inside of user/export. */
#ifndef PROBITY_EXPORT_OCSF_H
#define PROBITY_EXPORT_OCSF_H

#include "build.h"
#include "export.h"

struct ocsf_event {
	struct build b;
	json_t *o;	  /* the event */
	json_t *unmapped; /* for what the format has no place */
	json_t *observables;
	const struct export_context *c;
	const struct sealed *s;
};
struct ocsf_class {
	unsigned uid; /* 6003 */
	const char *name, *category;
	unsigned activity; /* 99: other, and its name */
	const char *activity_name;
};
enum ocsf_class_uid {
	OCSF_BASE = 0,
	OCSF_PROCESS = 1007,
	OCSF_FINDING = 2004,
	OCSF_NETWORK = 4001,
	OCSF_LIFECYCLE = 6002,
	OCSF_API = 6003,
};
void ocsf_class(struct ocsf_event *e, const struct ocsf_class *k);
/* The class that says most of a record; ocsf_class tells what becomes of it. */
void ocsf_classify(const struct sealed *s, struct ocsf_class *ret);
void ocsf_call(struct ocsf_event *e);
void ocsf_mcp(struct ocsf_event *e);
void ocsf_denial(struct ocsf_event *e, const struct ocsf_class *k);
void ocsf_control(struct ocsf_event *e, const struct ocsf_class *k);

enum ocsf_observable { /* type_id of the schema */
		       OCSF_HOSTNAME = 1,
		       OCSF_IP = 2,
		       OCSF_USER_NAME = 4,
		       OCSF_HASH = 8,
		       OCSF_PATH = 45,
};
void ocsf_observable(struct ocsf_event *e, enum ocsf_observable type, const char *path,
		     const char *value);
void ocsf_process(struct ocsf_event *e, json_t *o, const char *key, const Probity__V1__Process *p);
/* actor.process, and ai_agent where the program is an AI tool */
void ocsf_actor(struct ocsf_event *e, const Probity__V1__Process *p, const Probity__V1__Tool *t);
void ocsf_device(struct ocsf_event *e, const char *key);
void ocsf_endpoint(struct ocsf_event *e, const char *name, const char *ip, uint32_t port,
		   const Probity__V1__Service *v);
void ocsf_file(struct ocsf_event *e, json_t *o, const char *key, const char *path,
	       const char *sha256);
/* security_control: action, disposition, policy, rules that fired */
void ocsf_decision(struct ocsf_event *e, const Probity__V1__Decision *d);
int64_t ocsf_ms(uint64_t unix_ns);

#endif
