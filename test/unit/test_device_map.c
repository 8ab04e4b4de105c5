/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a region can be mapped: what is believed of the bytes that say so, of a server that is hostile too, and what
 * becomes of descriptors; then with the reference device, whose BAR 2 has a window.
 */
#include "fake_user.h"
#include "ref_server.h"

#include "base/bits.h"
#include "device/mappable.h"
#include "ref/device_registers.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#define MMAP 4u
#define CAPS 8u

/* struct vfio_region_info, and room for capabilities. */
struct answer {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
	uint32_t words[64];
};

_Static_assert(offsetof(struct answer, words) == MAPPABLE_INFO_BYTES, "as on the wire");

#define PLAIN(size, offset)                  \
	{                                    \
		32, MMAP, 2, 0, size, offset \
	}
#define CHAIN(at, ...)                          \
	{                                       \
		64, MMAP | CAPS, 2, at, MIB, 0, \
		{                               \
			__VA_ARGS__             \
		}                               \
	}
#define SPARSE(nr)         1 | 1 << 16, 0, nr, 0
#define U64(value)         (uint32_t)(value), (uint32_t)((uint64_t)(value) >> 32)
#define AREA(offset, size) U64(offset), U64(size)
#define TWO_AREAS          CHAIN(32, 7 | 3 << 16, 40, SPARSE(2), AREA(0x8000, 0x2000), AREA(0x1000, 0x1000))

static void test_what_is_believed(void **unused)
{
	static const struct {
		struct answer answer;
		size_t words; /* of capabilities that came */
		uint64_t from;
		int code;
		uint64_t offset, size; /* in the region */
	} cases[] = {
		/* The whole region, and what is left of it. */
		{ PLAIN(MIB, 0x5000), 0, 0, 0, 0, MIB },
		{ PLAIN(MIB, 0x5000), 0, 0x1000, 0, 0x1000, MIB - 0x1000 },
		{ PLAIN(MIB, 0), 0, MIB, -ENOENT },
		{ PLAIN(MIB, 0), 0, UINT64_MAX, -ENOENT },
		{ PLAIN(0, 0), 0, 0, -ENOENT },
		{ { 32, 3, 2, 0, MIB }, 0, 0, -EOPNOTSUPP },
		/* A capability that is nothing to us, then the parts: the nearest one counts, in whatever order. */
		{ TWO_AREAS, 14, 0, 0, 0x1000, 0x1000 },
		{ TWO_AREAS, 14, 0x2000, 0, 0x8000, 0x2000 },
		{ TWO_AREAS, 14, 0x9000, 0, 0x9000, 0x1000 },
		{ TWO_AREAS, 14, 0xa000, -ENOENT },
		{ CHAIN(32, SPARSE(0)), 4, 0, -ENOENT },
		{ CHAIN(32, 7, 0), 2, 0, 0, 0, MIB },
		{ CHAIN(0, 0), 0, 0, 0, 0, MIB },
		/* Parts beyond the region, also by wrapping. */
		{ CHAIN(32, SPARSE(1), AREA(MIB - 0x1000, 0x2000)), 8, 0, -EBADMSG },
		{ CHAIN(32, SPARSE(1), AREA(0x1000, UINT64_MAX)), 8, 0, -EBADMSG },
		{ CHAIN(32, SPARSE(1), AREA(UINT64_MAX, 0x1000)), 8, 0, -EBADMSG },
		/* More areas than came, by one and by all that a count can hold. */
		{ CHAIN(32, SPARSE(2), AREA(0, 0x1000)), 8, 0, -EBADMSG },
		{ CHAIN(32, SPARSE(UINT32_MAX), AREA(0, 0x1000)), 8, 0, -EBADMSG },
		{ CHAIN(32, SPARSE(1)), 3, 0, -EBADMSG },
		/* A capability in the head, at or over the end, of another version; a chain that goes round. */
		{ CHAIN(8, 0), 8, 0, -EBADMSG },
		{ CHAIN(31, 0), 8, 0, -EBADMSG },
		{ CHAIN(64, 0), 8, 0, -EBADMSG },
		{ CHAIN(57, 0), 8, 0, -EBADMSG },
		{ CHAIN(UINT32_MAX, 0), 8, 0, -EBADMSG },
		{ CHAIN(32, 1 | 2 << 16, 0, 1, 0, AREA(0, 0x1000)), 8, 0, -EBADMSG },
		{ CHAIN(32, 7, 32), 8, 0, -EBADMSG },
		{ CHAIN(32, 7, 36), 8, 0, -EBADMSG },
		{ CHAIN(40, 0, 0, 7, 32), 8, 0, -EBADMSG },
		/* What no file could hold, and more capabilities than there was room for. */
		{ PLAIN(UINT64_MAX, 0), 0, 0, -EBADMSG },
		{ PLAIN(MIB, UINT64_MAX - 0xfff), 0, 0, -EBADMSG },
		{ { 4097, MMAP | CAPS, 2, 0, MIB }, 0, 0, -EBADMSG },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t bytes = MAPPABLE_INFO_BYTES + cases[i].words * sizeof(uint32_t);
		uint8_t *came = malloc(bytes); /* of its own, so that a byte too far is found */
		struct gw_region_map map;
		int ret;

		memcpy(came, &cases[i].answer, bytes);
		ret = mappable_find(came, bytes, cases[i].from, &map);
		if (ret != cases[i].code)
			fail_msg("case %u: %d, not %d", i, ret, cases[i].code);
		assert_int_equal(map.fd, -1);
		if (!ret) {
			assert_int_equal(map.region_offset, cases[i].offset);
			assert_int_equal(map.size_bytes, cases[i].size);
			assert_int_equal(map.fd_offset, cases[i].answer.offset + cases[i].offset);
		}
		free(came);
	}
	for (size_t bytes = 0; bytes < MAPPABLE_INFO_BYTES; bytes++) {
		uint8_t *came = calloc(1, bytes + 1);
		struct gw_region_map map;

		assert_int_equal(mappable_find(came, bytes, 0, &map), -EBADMSG);
		free(came);
	}
}

static int nr_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

struct scene {
	struct answer answer;
	uint32_t bytes; /* of the answer that are sent */
	int fds[2];
	unsigned nr_fds;
};

/* GET_REGION_INFO, with descriptors. */
static int answer_region(struct fake_user *f, struct fake_message *m)
{
	const struct scene *scene = f->hook_data;
	char control[CMSG_SPACE(sizeof(scene->fds))] = { 0 };
	uint32_t header[4] = { m->id | (uint32_t)m->command << 16, 16 + scene->bytes, 1, 0 };
	struct iovec iov[2] = { { header, sizeof(header) }, { (void *)&scene->answer, scene->bytes } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (m->command != 5)
		return 0;
	assert(fake_u32(m, 0) >= MAPPABLE_INFO_BYTES);
	if (scene->nr_fds) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(scene->nr_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(scene->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), scene->fds, scene->nr_fds * sizeof(int));
	}
	assert(sendmsg(f->fd, &msg, MSG_NOSIGNAL) == (ssize_t)(16 + scene->bytes));
	return 1;
}

/* Whatever comes, no descriptor is left behind, and one is there if and only if the call succeeded. */
static void test_descriptors(void **unused)
{
	int file = memfd_create("map", MFD_CLOEXEC);
	const struct {
		struct scene scene;
		int code;
	} cases[] = {
		{ { { 32, MMAP, 2, 0, MIB }, 32, { file }, 1 }, 0 },
		{ { { 32, MMAP, 2, 0, MIB }, 32, { file, file }, 2 }, 0 },
		{ { { 32, MMAP, 2, 0, MIB }, 32, { 0 }, 0 }, -EBADMSG },
		{ { { 32, MMAP, 2, 0, MIB, 0x1000 }, 32, { file }, 1 }, -EBADMSG }, /* beyond the file's end */
		{ { { 32, MMAP, 2, 0, MIB }, 31, { file }, 1 }, -EBADMSG },
		{ { { 32, 3, 2, 0, MIB }, 32, { file }, 1 }, -EOPNOTSUPP },
		{ { { 40, MMAP | CAPS, 2, 99, MIB }, 40, { file }, 1 }, -EBADMSG },
	};

	assert_int_equal(ftruncate(file, MIB), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_user f = { .hook = answer_region, .hook_data = (void *)&cases[i].scene };
		struct gw_device *dev;
		struct gw_region_map map;
		struct gw_error e = GW_ERROR_NONE;
		void *ctx;
		int nr_fds = nr_open_fds();

		fake_start(&f);
		assert_int_equal(user_open_fd(&ctx, "dev0", f.client_fd, &(struct gw_open_options){ 0 }, NULL), 0);
		assert_int_equal(device_new(&dev, "dev0", "", &user_ops, ctx, NULL), 0);
		assert_int_equal(gw_device_region_map(dev, 2, 0, &map, &e), cases[i].code);
		assert_int_equal(e.code, cases[i].code);
		assert_int_equal(map.fd >= 0, !cases[i].code);
		fd_close(&map.fd);
		assert_int_equal(gw_device_region_map(dev, 9, 0, &map, NULL), -EINVAL);
		gw_device_close(dev);
		fake_join(&f);
		assert_int_equal(nr_open_fds(), nr_fds);
	}
	close(file);
}

static int no_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	return 0;
}

static void test_a_table_without_the_call(void **unused)
{
	static const struct gw_device_ops ops = { .size = sizeof(ops), .info = no_info };
	struct gw_region_map map;
	struct gw_device *dev;

	assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, NULL, NULL), 0);
	assert_int_equal(gw_device_region_map(dev, 0, 0, &map, NULL), -EOPNOTSUPP);
	assert_int_equal(map.fd, -1);
	gw_device_close(dev);
}

/* What is written through the mapping is in the BAR, and the other way round; nothing but the window is offered. */
static void test_the_window_of_the_reference_device(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct gw_region_info info;
	struct gw_region_map map;
	struct gw_device *dev;
	struct server s;
	uint64_t word = 0x1234567890abcdef, seen = 0;
	char uri[128];
	uint8_t *at;

	server_start(&s, 7, 0);
	snprintf(uri, sizeof(uri), "vfio-user:%s", s.path);
	assert_int_equal(gw_device_open(&dev, "dev0", uri, &e), 0);
	assert_int_equal(gw_device_region_info(dev, REFDEV_BAR_MEMORY, &info, &e), 0);
	assert_int_equal(info.size_bytes, s.options.state_bytes);
	assert_int_equal(gw_device_region_map(dev, REFDEV_BAR_MEMORY, 0, &map, &e), 0);
	assert_int_equal(map.region_offset, s.options.state_bytes - REFDEV_WINDOW_BYTES);
	assert_int_equal(map.size_bytes, REFDEV_WINDOW_BYTES);

	at = mmap(NULL, map.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd, (off_t)map.fd_offset);
	assert_ptr_not_equal(at, MAP_FAILED);
	memcpy(at + 64, &word, sizeof(word));
	assert_int_equal(gw_device_region_read(dev, REFDEV_BAR_MEMORY, map.region_offset + 64, &seen, 8, &e), 8);
	assert_int_equal(seen, word);
	word = ~word;
	assert_int_equal(gw_device_region_write(dev, REFDEV_BAR_MEMORY, map.region_offset, &word, 8, &e), 8);
	assert_memory_equal(at, &word, 8);

	/* Who has the file cannot shorten it under the device. */
	assert_int_equal(ftruncate(map.fd, 0), -1);
	close(map.fd);
	assert_int_equal(gw_device_region_map(dev, REFDEV_BAR_MEMORY, s.options.state_bytes, &map, NULL), -ENOENT);
	assert_int_equal(gw_device_region_map(dev, REFDEV_BAR_REGISTERS, 0, &map, NULL), -EOPNOTSUPP);
	munmap(at, REFDEV_WINDOW_BYTES);
	gw_device_close(dev);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_believed),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_a_table_without_the_call),
		cmocka_unit_test(test_the_window_of_the_reference_device),
	};

	return cmocka_run_group_tests_name("device_map", tests, NULL, NULL);
}
