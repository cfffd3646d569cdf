// SPDX-License-Identifier: Apache-2.0
/*
 * A resolved path in, what it is for out. A pattern is a whole path below one of the system's folders
 * of programs, or the folder of a package's own helpers; merged and unmerged /usr are the same to it.
 * Interpreters are not here, although maintainer scripts need them: they run below the package
 * manager with a shell, and a shell is no AI tool; a pack that denies shells is the operator's
 * choice, and root can unload it (docs/POLICY.md).
 */
#include "builtin.h"

#include <stddef.h>
#include <string.h>

/* Programs of /bin, /sbin, /usr/bin, /usr/sbin. */
static const struct {
	enum builtin_kind kind;
	const char *name;
} programs[] = {
	{BUILTIN_AGENT, "probityd"},
	{BUILTIN_AGENT, "probity"},
	{BUILTIN_AGENT, "probity-collector"},
	{BUILTIN_PACKAGES, "dpkg"},
	{BUILTIN_PACKAGES, "dpkg-deb"},
	{BUILTIN_PACKAGES, "dpkg-divert"},
	{BUILTIN_PACKAGES, "dpkg-maintscript-helper"},
	{BUILTIN_PACKAGES, "dpkg-query"},
	{BUILTIN_PACKAGES, "dpkg-split"},
	{BUILTIN_PACKAGES, "dpkg-statoverride"},
	{BUILTIN_PACKAGES, "dpkg-trigger"},
	{BUILTIN_PACKAGES, "apt"},
	{BUILTIN_PACKAGES, "apt-cache"},
	{BUILTIN_PACKAGES, "apt-config"},
	{BUILTIN_PACKAGES, "apt-get"},
	{BUILTIN_PACKAGES, "apt-key"},
	{BUILTIN_PACKAGES, "apt-mark"},
	{BUILTIN_PACKAGES, "aptitude"},
	{BUILTIN_PACKAGES, "unattended-upgrade"},
	{BUILTIN_PACKAGES, "unattended-upgrades"},
	{BUILTIN_PACKAGES, "rpm"},
	{BUILTIN_PACKAGES, "rpmkeys"},
	{BUILTIN_PACKAGES, "dnf"},
	{BUILTIN_PACKAGES, "dnf-3"},
	{BUILTIN_PACKAGES, "dnf4"},
	{BUILTIN_PACKAGES, "dnf5"},
	{BUILTIN_PACKAGES, "microdnf"},
	{BUILTIN_PACKAGES, "yum"},
	{BUILTIN_PACKAGES, "zypper"},
	{BUILTIN_PACKAGES, "rpm-ostree"},
	{BUILTIN_REMOTE, "sshd"},
	{BUILTIN_REMOTE, "sshd-session"},
	{BUILTIN_REMOTE, "sshd-auth"},
	{BUILTIN_REMOTE, "login"},
	{BUILTIN_REMOTE, "agetty"},
	{BUILTIN_REMOTE, "getty"},
	{BUILTIN_REMOTE, "sulogin"},
	{BUILTIN_REMOTE, "sudo"},
	{BUILTIN_REMOTE, "su"},
	{BUILTIN_REMOTE, "runuser"},
	{BUILTIN_REMOTE, "doas"},
	{BUILTIN_REMOTE, "pkexec"},
	{BUILTIN_REMOTE, "loginctl"},
	{BUILTIN_REMOTE, "unix_chkpwd"},
	{BUILTIN_SHUTDOWN, "shutdown"},
	{BUILTIN_SHUTDOWN, "reboot"},
	{BUILTIN_SHUTDOWN, "poweroff"},
	{BUILTIN_SHUTDOWN, "halt"},
	{BUILTIN_SHUTDOWN, "kexec"},
	{BUILTIN_SHUTDOWN, "telinit"},
	{BUILTIN_SHUTDOWN, "runlevel"},
	{BUILTIN_SHUTDOWN, "systemctl"},
	{BUILTIN_INIT, "init"},
	{BUILTIN_INIT, "openrc-init"},
	{BUILTIN_INIT, "busybox-init"},
};

/* Everything in such a folder, at whatever depth. */
static const struct {
	enum builtin_kind kind;
	const char *folder;
} folders[] = {
	{BUILTIN_AGENT, "/lib/probity/"},      {BUILTIN_AGENT, "/libexec/probity/"},
	{BUILTIN_PACKAGES, "/lib/apt/"},       {BUILTIN_PACKAGES, "/lib/dpkg/"},
	{BUILTIN_PACKAGES, "/lib/rpm/"},       {BUILTIN_REMOTE, "/lib/openssh/"},
	{BUILTIN_REMOTE, "/libexec/openssh/"}, {BUILTIN_REMOTE, "/lib/ssh/"},
	{BUILTIN_INIT, "/lib/systemd/"},
};

static const char *const bins[] = {"/bin/", "/sbin/"};

static bool under(const char *path, const char *folder, const char **ret_rest)
{
	size_t n = strlen(folder);

	if (strncmp(path, folder, n))
		return false;
	*ret_rest = path + n;
	return true;
}

/* A path that could mean another file is none of ours. */
static bool is_plain(const char *path)
{
	return path[0] == '/' && !strstr(path, "/../") && !strstr(path, "/./") &&
	       !strstr(path, "//");
}

enum builtin_kind builtin_kind(const char *path)
{
	const char *rest, *at = path;
	size_t i, k;

	if (!is_plain(path))
		return BUILTIN_NONE;
	if (!strncmp(at, "/usr/", 5))
		at += 4;
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (under(at, folders[i].folder, &rest) && *rest)
			return folders[i].kind;
	for (i = 0; i < sizeof(bins) / sizeof(bins[0]); i++)
		for (k = 0; under(at, bins[i], &rest) && k < sizeof(programs) / sizeof(programs[0]);
		     k++)
			if (!strcmp(rest, programs[k].name))
				return programs[k].kind;
	return BUILTIN_NONE;
}

bool builtin_allowed(const char *path)
{
	return builtin_kind(path) != BUILTIN_NONE;
}

bool builtin_file(const char *path, uint32_t uid, uint32_t mode)
{
	return !uid && !(mode & 022) && builtin_allowed(path);
}

const char *builtin_name(enum builtin_kind k)
{
	static const char *const names[] = {
		[BUILTIN_NONE] = "",
		[BUILTIN_AGENT] = "agent",
		[BUILTIN_PACKAGES] = "package manager",
		[BUILTIN_REMOTE] = "remote access",
		[BUILTIN_SHUTDOWN] = "shutdown",
		[BUILTIN_INIT] = "init",
	};

	return k <= BUILTIN_INIT ? names[k] : "";
}
