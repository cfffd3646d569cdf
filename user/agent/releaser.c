// SPDX-License-Identifier: Apache-2.0
/*
 * The role that continues stopped processes when the keeper has died. Flows in: the end of the
 * keeper's socket, which nothing else makes readable. Flows out: gate_stop_release().
 *
 * It looks again for AFTER_MS: a write that began to wait while the keeper died may be noted late. Not
 * what is noted more than LATE_NS after that: it may be the next keeper's, which has the same maps when
 * they are pinned. The programs stop nobody any more by then: the keeper's end makes gate.alive_ns old
 * before its probes go. It keeps the capabilities for that and no
 * other, reads no message, and ends with the keeper it belongs to. If it is killed at the same moment,
 * the next keeper does the same with the pinned maps.
 */
#include <cap-ng.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "agent/gate_stop.h"
#include "base/cleanup.h"
#include "base/log.h"

#define AFTER_MS 4000
#define STEP_MS 50
#define LATE_NS 50000000ull

static int keep_little(void)
{
	static const unsigned keep[] = {CAP_KILL, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH,
					CAP_NET_ADMIN, CAP_BPF};

	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
		if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, keep[i]))
			return -EPERM;
	if (capng_apply(CAPNG_SELECT_CAPS))
		return -EPERM;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

int releaser_main(int keeper, int waits, int marks)
{
	struct pollfd p = {.fd = keeper, .events = POLLIN};
	struct timespec t;
	unsigned n = 0;
	uint64_t upto_ns;
	int r;

	/* The signals that end an agent: those it stopped are still to be continued then. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, 0);
	r = keep_little();
	if (r) {
		log_err("cannot give up privileges: %s", strerror(-r));
		return 1;
	}
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	clock_gettime(CLOCK_BOOTTIME, &t);
	upto_ns = t.tv_sec * 1000000000ull + t.tv_nsec + LATE_NS;
	for (unsigned i = 0; i < AFTER_MS / STEP_MS; i++) {
		n += gate_stop_release(waits, marks, upto_ns);
		poll(NULL, 0, STEP_MS);
	}
	if (n)
		log_warn("the keeper has died: %u writes of stopped processes were continued", n);
	return 0;
}
