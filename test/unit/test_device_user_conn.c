/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user connection against a server that misbehaves: each fault ends the call it concerns, with its own
 * code, and the connection where what follows could not be trusted; nobody waits for what will not come.
 */
#include "fake_user.h"

#include "base/bits.h"
#include "device/user_conn.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define SHORT_NS    (100 * NS_PER_MS)
#define GUEST_BYTES 8192

static int serve_nothing(void *arg, struct user_conn *c, const struct user_header *header, const void *payload,
			 size_t payload_bytes)
{
	return ENOTSUP;
}

static void start(struct user_conn *c, struct fake_user *f)
{
	fake_start(f);
	assert_int_equal(user_conn_start(c, "dev0", f->client_fd, NULL, serve_nothing, NULL, NULL), 0);
}

static void stop(struct user_conn *c, struct fake_user *f)
{
	user_conn_close(c);
	fake_join(f);
}

static int get_info(struct user_conn *c, uint64_t timeout_ns, struct user_call *call, struct gw_error *e)
{
	static const uint8_t request[16] = { 16 };
	uint8_t reply[16];

	*call = (struct user_call){
		.command = USER_GET_INFO,
		.request = request,
		.request_bytes = sizeof(request),
		.timeout_ns = timeout_ns,
		.reply = reply,
		.reply_size = sizeof(reply),
		.reply_min = sizeof(reply),
	};
	return user_call(c, call, e);
}

/* How the first answer is spoilt; those after it are good. */
enum fault {
	GOOD = 0,
	SHORT_REPLY,
	LONG_REPLY,
	ERROR_WITH_BODY,
	ERROR_ZERO,
	ERROR_HUGE,
	WRONG_COMMAND,
	WRONG_ID,
	WRONG_TYPE,
	SIZE_TOO_SMALL,
	SIZE_TOO_LARGE,
	HANG_UP,
	HALF_A_HEADER,
	NR_FAULTS,
};

static int spoil(struct fake_user *f, struct fake_message *m)
{
	uint8_t body[4096] = { 0 };
	uint32_t size = 3;
	uint8_t header[16] = { 0 };

	if (f->nr_messages > 1)
		return 0;
	switch (*(enum fault *)f->hook_data) {
	case SHORT_REPLY:
		fake_reply(f, m, body, 15);
		return 1;
	case LONG_REPLY:
		fake_reply(f, m, body, sizeof(body));
		return 1;
	case ERROR_WITH_BODY:
		fake_send(f, m->id, m->command, 0x21, EBUSY, body, 24);
		return 1;
	case ERROR_ZERO:
		fake_refuse(f, m, 0);
		return 1;
	case ERROR_HUGE:
		fake_refuse(f, m, 0x80000000u);
		return 1;
	case WRONG_COMMAND:
		fake_send(f, m->id, 5, 1, 0, body, 32);
		return 1;
	case WRONG_ID:
		fake_send(f, (uint16_t)(m->id + 7), m->command, 1, 0, body, 16);
		return 1;
	case WRONG_TYPE:
		fake_send(f, m->id, m->command, 5, 0, body, 16);
		return 1;
	case SIZE_TOO_SMALL:
		memcpy(header + 4, &size, 4);
		fd_write_all(f->fd, header, 16);
		return 1;
	case SIZE_TOO_LARGE:
		memcpy(header, &m->id, 2);
		memset(header + 4, 0xff, 4);
		header[8] = 1;
		fd_write_all(f->fd, header, 16);
		return 1;
	case HALF_A_HEADER:
		fd_write_all(f->fd, header, 7);
		return -1;
	case HANG_UP:
		return -1;
	default:
		return 0;
	}
}

static void test_faults(void **unused)
{
	static const struct {
		int code, refused, next; /* next: of the call after it */
	} want[NR_FAULTS] = {
		[GOOD] = { 0, 0, 0 },
		[SHORT_REPLY] = { -EBADMSG, 0, 0 },
		[LONG_REPLY] = { 0, 0, 0 },
		[ERROR_WITH_BODY] = { -EBUSY, -EBUSY, 0 },
		[ERROR_ZERO] = { -EIO, -EIO, 0 },
		[ERROR_HUGE] = { -EIO, -EIO, 0 },
		[WRONG_COMMAND] = { -EPROTO, 0, 0 },
		[WRONG_ID] = { -EPROTO, 0, -EPROTO },
		[WRONG_TYPE] = { -EBADMSG, 0, -EBADMSG },
		[SIZE_TOO_SMALL] = { -EBADMSG, 0, -EBADMSG },
		[SIZE_TOO_LARGE] = { -EBADMSG, 0, -EBADMSG },
		[HANG_UP] = { -EPIPE, 0, -EPIPE },
		[HALF_A_HEADER] = { -EPIPE, 0, -EPIPE },
	};

	for (enum fault fault = GOOD; fault < NR_FAULTS; fault++) {
		struct fake_user f = { .hook = spoil, .hook_data = &fault };
		struct gw_error e = GW_ERROR_NONE;
		struct user_call call;
		struct user_conn c;

		start(&c, &f);
		assert_int_equal(get_info(&c, 0, &call, &e), want[fault].code);
		assert_int_equal(call.refused, want[fault].refused);
		assert_int_equal(e.code, want[fault].code);
		if (fault == HANG_UP)
			assert_non_null(strstr(e.what, "the vfio-user server of dev0 closed the connection"));
		assert_int_equal(get_info(&c, 0, &call, NULL), want[fault].next);
		stop(&c, &f);
	}
}

/* Answers the first message only when the second has come. */
static int answer_late(struct fake_user *f, struct fake_message *m)
{
	uint8_t body[16] = { 0 };

	if (f->nr_messages == 1) {
		*(uint16_t *)f->hook_data = m->id;
		return 1;
	}
	if (f->nr_messages == 2) {
		assert(m->id != *(uint16_t *)f->hook_data);
		fake_send(f, *(uint16_t *)f->hook_data, 4, 1, 0, body, 16);
	}
	return 0;
}

static void test_late_answer(void **unused)
{
	uint16_t first;
	struct fake_user f = { .hook = answer_late, .hook_data = &first };
	struct gw_error e = GW_ERROR_NONE;
	struct user_call call;
	struct user_conn c;

	start(&c, &f);
	assert_int_equal(get_info(&c, SHORT_NS, &call, &e), -ETIMEDOUT);
	assert_non_null(strstr(e.what, "in time"));
	assert_int_equal(get_info(&c, 0, &call, NULL), 0);
	assert_int_equal(get_info(&c, 0, &call, NULL), 0);
	stop(&c, &f);
}

static int half_a_reply(struct fake_user *f, struct fake_message *m)
{
	uint8_t half[24] = { 0 };
	uint32_t size = 32;

	memcpy(half, &m->id, 2);
	memcpy(half + 2, &m->command, 2);
	memcpy(half + 4, &size, 4);
	half[8] = 1;
	fd_write_all(f->fd, half, sizeof(half));
	return 1;
}

/* A reply that stops half way holds the caller's buffer: the call ends, and the connection with it. */
static void test_half_a_reply(void **unused)
{
	struct fake_user f = { .hook = half_a_reply };
	struct user_call call;
	struct user_conn c;
	int ret;

	start(&c, &f);
	ret = get_info(&c, SHORT_NS, &call, NULL);
	assert_true(ret == -ETIMEDOUT || ret == -EPIPE);
	assert_int_equal(get_info(&c, 0, &call, NULL), -ETIMEDOUT);
	stop(&c, &f);
}

static int never_answer(struct fake_user *f, struct fake_message *m)
{
	return 1;
}

static void test_all_numbers_taken(void **unused)
{
	struct fake_user f = { .hook = never_answer };
	struct user_call call;
	struct user_conn c;

	start(&c, &f);
	for (unsigned i = 0; i < USER_MAX_CALLS + 2; i++)
		assert_int_equal(get_info(&c, NS_PER_MS, &call, NULL), -ETIMEDOUT);
	stop(&c, &f);
}

struct caller {
	pthread_t thread;
	struct user_conn *c;
	int ret;
};

static void *call_once(void *arg)
{
	struct caller *caller = arg;
	struct user_call call;

	caller->ret = get_info(caller->c, 0, &call, NULL);
	return NULL;
}

/* Holds all requests until `hook_data` of them are there, then answers them backwards, or hangs up. */
struct holder {
	unsigned nr, want;
	uint16_t ids[64];
	int hang_up;
};

static int hold(struct fake_user *f, struct fake_message *m)
{
	struct holder *h = f->hook_data;
	uint8_t body[16] = { 0 };

	h->ids[h->nr++] = m->id;
	if (h->nr < h->want)
		return 1;
	if (h->hang_up)
		return -1;
	while (h->nr)
		fake_send(f, h->ids[--h->nr], 4, 1, 0, body, sizeof(body));
	return 1;
}

static void test_many_callers(void **unused)
{
	for (int hang_up = 0; hang_up < 2; hang_up++) {
		struct caller callers[USER_MAX_CALLS];
		struct holder holder = { .want = USER_MAX_CALLS, .hang_up = hang_up };
		struct fake_user f = { .hook = hold, .hook_data = &holder };
		struct user_conn c;

		start(&c, &f);
		for (unsigned i = 0; i < USER_MAX_CALLS; i++) {
			callers[i].c = &c;
			assert_int_equal(pthread_create(&callers[i].thread, NULL, call_once, &callers[i]), 0);
		}
		for (unsigned i = 0; i < USER_MAX_CALLS; i++) {
			pthread_join(callers[i].thread, NULL);
			assert_int_equal(callers[i].ret, hang_up ? -EPIPE : 0);
		}
		stop(&c, &f);
	}
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static int send_fds(struct fake_user *f, struct fake_message *m)
{
	char control[CMSG_SPACE(12 * sizeof(int))] = { 0 };
	uint8_t bytes[32] = { 0 };
	uint32_t size = sizeof(bytes);
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	memcpy(bytes, &m->id, 2);
	memcpy(bytes + 2, &m->command, 2);
	memcpy(bytes + 4, &size, 4);
	bytes[8] = 1;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(12 * sizeof(int));
	for (unsigned i = 0; i < 12; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &f->fd, sizeof(int));
	assert(sendmsg(f->fd, &message, MSG_NOSIGNAL) == sizeof(bytes));
	return 1;
}

static void test_unwanted_fds(void **unused)
{
	struct fake_user f = { .hook = send_fds };
	struct user_call call;
	struct user_conn c;
	unsigned before;

	start(&c, &f);
	before = count_fds();
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(get_info(&c, 0, &call, NULL), 0);
	assert_int_equal(count_fds(), before);
	stop(&c, &f);
}

/*
 * Commands of the server in the middle of ours, under the number that our request has: each is sent before our
 * answer, and its reply is read by the hook itself.
 */
struct ask {
	uint16_t command;
	uint32_t flags;
	uint64_t iova, count;
	uint32_t body_bytes; /* DMA_WRITE: data bytes that follow; more or less than count is a lie */
	uint32_t error;      /* the reply that must come */
};

static void receive_answer(struct fake_user *f, const struct ask *ask, uint16_t id)
{
	struct fake_message m = { .body = NULL };

	assert(!fake_receive(f, &m));
	assert(m.id == id && m.command == ask->command);
	if (ask->error) {
		assert(m.flags == 0x21 && m.error == ask->error && !m.body_bytes);
	} else {
		assert(m.flags == 1 && fake_u64(&m, 0) == ask->iova && fake_u64(&m, 8) == ask->count);
		assert(m.body_bytes == 16 + (ask->command == 11 ? ask->count : 0));
		for (uint32_t i = 16; i < m.body_bytes; i++)
			assert(m.body[i] == 0xa5);
	}
	free(m.body);
}

static int interleave(struct fake_user *f, struct fake_message *m)
{
	static const struct ask asks[] = {
		{ 11, 0, 0x10000, 4096, 0, 0 },
		{ 11, 0, 0x10000, 0, 0, 0 },
		{ 11, 0, 0x10000, GUEST_BYTES, 0, 0 }, /* over two maps that touch */
		{ 11, 0, 0x10000, GUEST_BYTES + 1, 0, EFAULT },
		{ 11, 0, 0, 8, 0, EFAULT },
		{ 11, 0, UINT64_MAX, 8, 0, EFAULT },
		{ 11, 0, 0x10000, UINT64_MAX, 0, EINVAL },
		{ 11, 0, 0x10000, (1 << 20) + 1, 0, EINVAL },
		{ 12, 0, 0x11000, 8, 8, 0 },
		{ 12, 0, 0x10000, 8, 8, EFAULT }, /* a map that it may only read */
		{ 12, 0, 0x11000, 16, 8, EINVAL },
		{ 12, 0, 0x11000, 4, 8, EINVAL },
		{ 12, 0x10, 0x11008, 8, 8, 0 }, /* wants no reply */
		{ 99, 0, 0, 0, 0, ENOTSUP },
		{ 1, 0, 0, 0, 0, ENOTSUP },
	};

	if (m->command != 13)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(asks); i++) {
		uint8_t body[64] = { 0 };

		memcpy(body, &asks[i].iova, 8);
		memcpy(body + 8, &asks[i].count, 8);
		memset(body + 16, 0x77, 16);
		fake_send(f, m->id, asks[i].command, asks[i].flags, 0, body, 16 + asks[i].body_bytes);
		if (!(asks[i].flags & 0x10))
			receive_answer(f, &asks[i], m->id);
	}
	fake_send(f, m->id, 11, 0, 0, NULL, 0); /* no body at all */
	receive_answer(f, &(struct ask){ .command = 11, .error = EINVAL }, m->id);
	return 0;
}

static void test_server_commands(void **unused)
{
	struct fake_user f = { .hook = interleave };
	struct gw_device *dev;
	uint8_t *guest = malloc(GUEST_BYTES);
	struct gw_dma_map maps[2] = {
		{ .iova = 0x10000, .size_bytes = 4096, .hva = guest, .fd = -1, .prot = GW_DMA_READ },
		{ .iova = 0x11000,
		  .size_bytes = 4096,
		  .hva = guest + 4096,
		  .fd = -1,
		  .prot = GW_DMA_READ | GW_DMA_WRITE },
	};
	void *ctx;

	memset(guest, 0xa5, GUEST_BYTES);
	fake_start(&f);
	assert_int_equal(user_open_fd(&ctx, "dev0", f.client_fd, &(struct gw_open_options){ 0 }, NULL), 0);
	assert_int_equal(device_new(&dev, "dev0", "", &user_ops, ctx, NULL), 0);
	assert_int_equal(gw_device_dma_map(dev, &maps[0], NULL), 0);
	assert_int_equal(gw_device_dma_map(dev, &maps[1], NULL), 0);
	assert_int_equal(gw_device_dma_map(dev, &maps[1], NULL), -EEXIST);
	assert_int_equal(gw_device_reset(dev, NULL), 0);
	for (unsigned i = 0; i < GUEST_BYTES; i++)
		assert_int_equal(guest[i], i >= 4096 && i < 4096 + 16 ? 0x77 : 0xa5);
	gw_device_close(dev);
	fake_join(&f);
	free(guest);
}

/* A server that takes nobody any more must not hold up whoever comes for ever: connect(2) would. */
static void test_full_backlog(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), waiting[4], nr = 0, ret = 0;
	struct timeval timeout;
	socklen_t size = sizeof(timeout);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/godwit-backlog-%d",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
	unlink(address.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 0), 0);
	while (nr < 4 && !(ret = user_socket_connect(address.sun_path, 50 * NS_PER_MS, &waiting[nr])))
		nr++;
	assert_int_equal(ret, -ETIMEDOUT);
	assert_in_range(nr, 1, 3);
	/* What it takes to connect is not what it may take to send. */
	assert_int_equal(getsockopt(waiting[0], SOL_SOCKET, SO_SNDTIMEO, &timeout, &size), 0);
	assert_int_equal(timeout.tv_sec, 0);
	assert_int_equal(timeout.tv_usec, 0);
	while (nr)
		close(waiting[--nr]);
	close(listener);
	unlink(address.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),          cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_half_a_reply),    cmocka_unit_test(test_all_numbers_taken),
		cmocka_unit_test(test_many_callers),    cmocka_unit_test(test_unwanted_fds),
		cmocka_unit_test(test_server_commands), cmocka_unit_test(test_full_backlog),
	};

	return cmocka_run_group_tests_name("device_user_conn", tests, NULL, NULL);
}
