/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults of features, of the DMA log, and of messages as such, over the socket. */
#include "test/unit/fault_rig.h"

#include "ref/device_registers.h"

#include <sys/mman.h>

#define GET   (1u << 16)
#define SET   (1u << 17)
#define PROBE (1u << 18)
#define PAGE  4096u

static void a_feature_says_no_or_yes(void **state)
{
	struct rig r;

	rig_open(&r, "feature:1:probe-get=ENOTTY", "feature:3:get=accept", "feature:1:get=accept,size=12",
		 "feature:6:get=accept", "feature:2:get-set=accept");
	assert_int_equal(rig_feature(&r, 8, PROBE | GET | 1, NULL, 0), ENOTTY);
	assert_int_equal(rig_feature(&r, 8, PROBE | 1, NULL, 0), 0);
	assert_int_equal(rig_feature(&r, 16, GET | 3, NULL, 0), 0);
	assert_int_equal(r.c.size, 16);
	assert_int_equal(rig_feature(&r, 8, PROBE | GET | 3, NULL, 0), ENOTTY);
	assert_int_equal(rig_feature(&r, 12, GET | 1, NULL, 0), 0);
	assert_int_equal(r.c.size, 12);
	assert_int_equal(rig_feature(&r, 13, GET | 1, NULL, 0), EINVAL);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(rig_u64(&r, 8), 7);
	assert_int_equal(rig_feature(&r, 16, GET | 6, NULL, 0), 0);
	assert_int_equal(rig_feature(&r, 16, GET | SET | 2, NULL, 0), 0);
	assert_int_equal(rig_feature(&r, 16, GET | SET | 1, NULL, 0), EINVAL);
	rig_close(&r);
}

static void a_feature_answers_wrongly(void **state)
{
	struct rig r;

	rig_open(&r, "feature:1:get=value:2,times=1", "feature:1:get=add:-3,times=1", "feature:1:get=argsz:99,times=1",
		 "feature:1:get=flags:5,times=1", "feature:1:get=short:3,times=1", "feature:1:get=extra:3,times=1",
		 "feature:1:get=ignore,times=1");
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(rig_u64(&r, 8), 2);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(rig_u64(&r, 8), 4);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(rig_u32(&r, 0), 99);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(rig_u32(&r, 4), 5);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(r.c.size, 13);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(r.c.size, 19);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(rig_u64(&r, 8), 0);
	assert_int_equal(rig_feature(&r, 16, GET | 1, NULL, 0), 0);
	assert_int_equal(rig_u64(&r, 8), 7);
	rig_close(&r);
}

struct log_range {
	uint64_t iova, size;
};

static int log_start(struct rig *r, uint64_t page_size, uint32_t nr, const struct log_range *ranges)
{
	uint64_t data[2 + 2 * 4] = { page_size, nr };

	assert_true(nr <= 4);
	if (nr)
		memcpy(data + 2, ranges, nr * sizeof(*ranges));
	return rig_feature(r, 8 + 16 + 16 * nr, SET | 6, data, 16 + 16 * nr);
}

static int log_stop(struct rig *r)
{
	return rig_feature(r, 8, SET | 7, NULL, 0);
}

/* At most 64 bits. */
static int log_report(struct rig *r, uint64_t iova, uint64_t size, uint64_t page_size, uint64_t *bits)
{
	uint64_t data[3] = { iova, size, page_size };
	int ret = rig_feature(r, 8 + 24 + 8, GET | 8, data, sizeof(data));

	*bits = ret ? 0 : rig_u64(r, 32);
	return ret;
}

static void a_start_is_accepted(void **state)
{
	static const struct log_range whole = { 0, 64 * PAGE }, overlap[] = { { 0, 2 * PAGE }, { PAGE, PAGE } },
				      empty = { PAGE, 0 }, wraps = { -(uint64_t)PAGE, 2 * PAGE };
	static const struct {
		const char *fault;
		uint64_t page_size;
		uint32_t nr;
		const struct log_range *ranges;
	} starts[] = {
		{ "log:start:page-size=accept", 3, 1, &whole }, { "log:start:overlap=accept", PAGE, 2, overlap },
		{ "log:start:empty=accept", PAGE, 1, &empty },  { "log:start:wraps=accept", PAGE, 1, &wraps },
		{ "log:start:double=accept", PAGE, 1, &whole },
	};
	struct rig r;

	for (size_t i = 0; i < 5; i++) {
		rig_open(&r, starts[i].fault);
		for (size_t j = 0; j < 5; j++) {
			if (j == 4)
				assert_int_equal(log_start(&r, PAGE, 1, &whole), 0);
			assert_int_equal(!log_start(&r, starts[j].page_size, starts[j].nr, starts[j].ranges), i == j);
			assert_int_equal(log_stop(&r), 0);
		}
		rig_close(&r);
	}
}

static void a_log_call_fails_or_does_nothing(void **state)
{
	static const struct log_range whole = { 0, 64 * PAGE };
	struct rig r;
	uint64_t bits;

	rig_open(&r, "log:start=EIO,times=1", "log:start=ignore,times=1", "log:report:idle=accept,times=1",
		 "log:stop:idle=EINVAL", "log:stop:good=ignore,times=1", "log:stop=EBUSY,times=1",
		 "log:report:range=accept,times=1", "log:report:page-size=accept,times=1", "log:report=EIO,times=1");
	assert_int_equal(log_start(&r, PAGE, 1, &whole), EIO);
	assert_int_equal(log_stop(&r), EINVAL);
	assert_int_equal(log_start(&r, PAGE, 1, &whole), 0);
	assert_int_equal(log_report(&r, 0, 64 * PAGE, PAGE, &bits), 0);
	assert_int_equal(bits, 0);
	assert_int_equal(log_report(&r, 0, 64 * PAGE, PAGE, &bits), EIO); /* idle still, and struck by the last one */
	assert_int_equal(log_report(&r, 0, 64 * PAGE, PAGE, &bits), EINVAL);
	assert_int_equal(log_start(&r, PAGE, 1, &whole), 0);
	assert_int_equal(log_stop(&r), 0);
	assert_int_equal(log_report(&r, 0, 64 * PAGE, PAGE, &bits), 0);
	assert_int_equal(log_stop(&r), EBUSY);
	assert_int_equal(log_report(&r, 0, 65 * PAGE, 2 * PAGE, &bits), 0);
	assert_int_equal(log_report(&r, 0, 65 * PAGE, 2 * PAGE, &bits), EINVAL);
	assert_int_equal(log_report(&r, 0, PAGE, 3 * PAGE, &bits), 0);
	assert_int_equal(log_report(&r, 0, PAGE, 3 * PAGE, &bits), EINVAL);
	assert_int_equal(log_stop(&r), 0);
	assert_int_equal(log_stop(&r), EINVAL);
	rig_close(&r);
}

/* The device writes one page of guest memory, and is done. */
static void write_page(struct rig *r, uint64_t page)
{
	static const struct {
		uint64_t reg, value;
		uint32_t width;
	} writes[] = {
		{ REFDEV_REG_OP_CODE, REFDEV_OP_COPY_OUT, 4 },
		{ REFDEV_REG_OP_LENGTH, PAGE, 8 },
	};

	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		assert_int_equal(client_write(&r->c, 0, writes[i].reg, writes[i].value, writes[i].width), 0);
	assert_int_equal(client_write(&r->c, 0, REFDEV_REG_OP_GUEST, page * PAGE, 8), 0);
	assert_int_equal(client_write(&r->c, 0, REFDEV_REG_OP_DOORBELL, 1, 4), 0);
	while (client_read(&r->c, 0, REFDEV_REG_OP_STATUS, 4) == REFDEV_STATUS_BUSY)
		;
	assert_int_equal(client_read(&r->c, 0, REFDEV_REG_OP_STATUS, 4), REFDEV_STATUS_DONE);
}

static uint64_t reported(struct rig *r, uint64_t page_size)
{
	uint64_t bits;

	assert_int_equal(log_report(r, 0, 64 * PAGE, page_size, &bits), 0);
	return bits;
}

static void bits_go_wrong(void **state)
{
	static const struct log_range whole = { 0, 64 * PAGE };
	int fd = memfd_create("guest", MFD_CLOEXEC);
	struct rig r;

	assert_int_equal(ftruncate(fd, 64 * PAGE), 0);
	rig_open(&r, "log:dirty=ignore,times=1", "log:dirty=shift:2,times=1", "log:report=keep-bits,times=1",
		 "log:report=lose:1,times=1", "log:report=extra:2,times=1", "log:report=shift:1,size=8192,times=1");
	assert_int_equal(client_map(&r.c, fd, 0, 0, 64 * PAGE), 0);
	assert_int_equal(log_start(&r, PAGE, 1, &whole), 0);
	write_page(&r, 3); /* lost */
	write_page(&r, 5); /* taken for page 7 */
	assert_int_equal(reported(&r, PAGE), 1 << 7);
	write_page(&r, 9);
	assert_int_equal(reported(&r, PAGE), 1 << 9); /* page 7 came twice, and 9 is lost */
	assert_int_equal(reported(&r, PAGE), 1 << 0 | 1 << 1);
	write_page(&r, 4);
	assert_int_equal(reported(&r, 2 * PAGE), 1 << 3);
	assert_int_equal(reported(&r, PAGE), 0);
	close(fd);
	rig_close(&r);
}

static void a_log_outlives_its_client(void **state)
{
	static const struct log_range whole = { 0, 64 * PAGE };
	struct rig r;

	rig_open(&r, "close=keep-log,times=1");
	assert_int_equal(log_start(&r, PAGE, 1, &whole), 0);
	rig_reconnect(&r);
	assert_int_equal(log_start(&r, PAGE, 1, &whole), EBUSY);
	rig_reconnect(&r);
	assert_int_equal(log_start(&r, PAGE, 1, &whole), 0);
	rig_close(&r);
}

/* A header as it came, of a command without a body. */
static void call_raw(struct rig *r, uint16_t command, uint32_t header[4])
{
	uint32_t request[4] = { 7 | (uint32_t)command << 16, 16, 0, 0 };

	client_send(r->c.fd, request, sizeof(request), NULL, 0);
	assert_true(client_receive(&r->c, r->c.fd, header, 16));
}

static void a_message_is_answered_wrongly(void **state)
{
	struct rig r;
	uint32_t header[4], read[4] = { 0, 0, 0, 8 }, request[4] = { 7 | 13 << 16, 16, 0, 0 };

	rig_open(&r, "command:DEVICE_RESET=msg-id:1,times=1", "command:DEVICE_RESET=length:4,times=1",
		 "command:DEVICE_RESET=reply-flags:0x21,times=1", "command:DEVICE_RESET=EIO,times=1",
		 "command:DEVICE_RESET=no-reply,times=1", "command:REGION_READ=short:1,times=1",
		 "command:REGION_READ=extra:1,times=1", "command:REGION_READ=ignore,times=1", "command:99=accept",
		 "command:DEVICE_GET_INFO=hang-up");
	call_raw(&r, 13, header);
	assert_int_equal(header[0], 8 | 13 << 16);
	call_raw(&r, 13, header);
	assert_int_equal(header[0], 7 | 13 << 16);
	assert_int_equal(header[1], 20);
	call_raw(&r, 13, header);
	assert_int_equal(header[1], 16);
	assert_int_equal(header[2], 1 ^ 0x21);
	assert_int_equal(client_call(&r.c, 13, NULL, 0), EIO);
	client_send(r.c.fd, request, sizeof(request), NULL, 0);
	assert_int_equal(client_call(&r.c, 9, read, sizeof(read)),
			 0); /* the reset before it was done, and not answered */
	assert_int_equal(r.c.size, 16 + 7);
	assert_int_equal(client_call(&r.c, 9, read, sizeof(read)), 0);
	assert_int_equal(r.c.size, 16 + 9);
	assert_int_equal(client_call(&r.c, 9, read, sizeof(read)), 0);
	assert_int_equal(r.c.size, 0);
	assert_int_equal(client_call(&r.c, 98, NULL, 0), ENOTSUP);
	assert_int_equal(client_call(&r.c, 99, NULL, 0), 0);
	assert_int_equal(client_call(&r.c, 4, NULL, 0), -1);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_feature_says_no_or_yes),
		cmocka_unit_test(a_feature_answers_wrongly),
		cmocka_unit_test(a_start_is_accepted),
		cmocka_unit_test(a_log_call_fails_or_does_nothing),
		cmocka_unit_test(bits_go_wrong),
		cmocka_unit_test(a_log_outlives_its_client),
		cmocka_unit_test(a_message_is_answered_wrongly),
	};

	return cmocka_run_group_tests_name("ref_fault_message", tests, NULL, NULL);
}
