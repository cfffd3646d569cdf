// SPDX-License-Identifier: Apache-2.0
/*
 * A TLS client that loads its library when and from where the test says, for test_attach.
 *
 *   call LIB HOST PORT MODEL HOW   one chat completion; prints the status line. HOW, letters in turn:
 *        w  waits for a line on stdin        d  deletes LIB (after loading: before its first call)
 *        m  loads a copy in memory (memfd)   f  makes the call in a child that does not exec
 *   churn LIB DIR N                copies LIB N times, loads each copy for a millisecond, unloads and
 *                                  deletes it
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct ssl {
	const void *(*TLS_client_method)(void);
	void *(*SSL_CTX_new)(const void *);
	void *(*SSL_new)(void *);
	long (*SSL_ctrl)(void *, int, long, void *);
	int (*SSL_set_fd)(void *, int);
	int (*SSL_connect)(void *);
	int (*SSL_write)(void *, const void *, int);
	int (*SSL_read)(void *, void *, int);
	int (*SSL_shutdown)(void *);
	void (*SSL_free)(void *);
};

static void *function(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		fprintf(stderr, "%s: %s\n", name, dlerror());
		exit(1);
	}
	return p;
}
#define FUNCTION(name) s->name = function(lib, #name)

static void copy(const char *from, int out)
{
	int in = open(from, O_RDONLY);
	struct stat st;

	if (in < 0 || fstat(in, &st) || sendfile(out, in, NULL, st.st_size) != st.st_size) {
		perror(from);
		exit(1);
	}
	close(in);
}

static void load(struct ssl *s, const char *path, const char *how)
{
	char memory[64];
	void *lib;

	if (strchr(how, 'm')) {
		int fd = memfd_create("tls", 0);

		copy(path, fd);
		snprintf(memory, sizeof(memory), "/proc/self/fd/%d", fd);
		path = memory;
	}
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	FUNCTION(TLS_client_method);
	FUNCTION(SSL_CTX_new);
	FUNCTION(SSL_new);
	FUNCTION(SSL_ctrl);
	FUNCTION(SSL_set_fd);
	FUNCTION(SSL_connect);
	FUNCTION(SSL_write);
	FUNCTION(SSL_read);
	FUNCTION(SSL_shutdown);
	FUNCTION(SSL_free);
}

static int connected(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		perror("connect");
		exit(1);
	}
	return fd;
}

static int call(const struct ssl *s, char **v)
{
	void *ssl = s->SSL_new(s->SSL_CTX_new(s->TLS_client_method()));
	char body[512], head[1024], answer[4096];
	int fd = connected(atoi(v[2])), n, first = 1;

	s->SSL_ctrl(ssl, 55, 0, v[1]);
	s->SSL_set_fd(ssl, fd);
	if (s->SSL_connect(ssl) != 1)
		return 1;
	snprintf(body, sizeof(body),
		 "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}",
		 v[3]);
	snprintf(
		head, sizeof(head),
		"POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n"
		"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
		v[1], v[3], strlen(body), body);
	if (s->SSL_write(ssl, head, strlen(head)) <= 0)
		return 1;
	while ((n = s->SSL_read(ssl, answer, sizeof(answer) - 1)) > 0) {
		answer[n] = '\0';
		if (first)
			printf("%.12s\n", answer);
		first = 0;
	}
	s->SSL_shutdown(ssl);
	s->SSL_free(ssl);
	return first;
}

static int in_child(const struct ssl *s, char **v)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		exit(call(s, v));
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static int churn(const char *lib, const char *dir, int n)
{
	char path[4096];

	for (int i = 0; i < n; i++) {
		void *p;
		int fd;

		snprintf(path, sizeof(path), "%s/copy-%d.so", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
		copy(lib, fd);
		if (write(fd, &i, sizeof(i)) != sizeof(i)) /* no two are the same file */
			return 1;
		close(fd);
		p = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (!p)
			return 1;
		usleep(1000);
		dlclose(p);
		unlink(path);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct ssl s;
	char line[16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 5 && !strcmp(argv[1], "churn"))
		return churn(argv[2], argv[3], atoi(argv[4]));
	if (argc != 7 || strcmp(argv[1], "call"))
		return 2;
	load(&s, argv[2], argv[6]);
	puts("loaded");
	if (strchr(argv[6], 'd'))
		unlink(argv[2]);
	if (strchr(argv[6], 'w') && !fgets(line, sizeof(line), stdin))
		return 1;
	return strchr(argv[6], 'f') ? in_child(&s, argv + 2) : call(&s, argv + 2);
}
