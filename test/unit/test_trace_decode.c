/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gw_trace_decode: each kind of message and its reply as text, and bytes that are no message, or less of one than it
 * says. Messages lie in memory that ends where they do, for a sanitizer to see what is read beyond.
 */
#include "device/user_proto.h"
#include "trace_text.h"

#include "base/bits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY_BYTES 256

struct sample {
	uint16_t command;
	const char *request, *reply; /* bytes in hex; spaces are for the reader; NULL: no reply */
	const char *text;
};

static size_t from_hex(const char *hex, uint8_t *bytes)
{
	size_t nr = 0;
	unsigned byte;

	for (; *hex; hex++)
		if (*hex != ' ') {
			assert_int_equal(sscanf(hex++, "%2x", &byte), 1);
			bytes[nr++] = (uint8_t)byte;
		}
	return nr;
}

/* malloc'ed, of exactly its size. */
static uint8_t *make(uint16_t command, uint32_t flags, uint32_t error, const char *hex, size_t *size)
{
	uint8_t body[BODY_BYTES];
	struct user_header header = { .msg_id = 7, .command = command, .flags = flags, .error = error };
	size_t body_bytes = from_hex(hex, body);
	uint8_t *message = malloc(16 + body_bytes);

	assert_non_null(message);
	header.msg_size = (uint32_t)(16 + body_bytes);
	user_header_encode(message, &header);
	memcpy(message + 16, body, body_bytes);
	*size = 16 + body_bytes;
	return message;
}

#define U32(byte) #byte "000000 "
#define U64(byte) #byte "00000000000000 "

static const struct sample samples[] = {
	{ USER_VERSION, "0000 0200 7b7d00", "0000 0100 7b227dff0a00",
	  "message VERSION(major=0 minor=2 capabilities={}) = 0 {major=0 minor=1 capabilities={\"}??}" },
	{ USER_VERSION, "0000 0200", "0000 0000", "message VERSION(major=0 minor=2) = 0 {major=0 minor=0}" },
	{ USER_DMA_MAP, U32(20) U32(03) U64(10) "0000100000000000" U64(40), "",
	  "message DMA_MAP(argsz=32 flags=READ|WRITE offset=0x10 address=0x100000 size=0x40) = 0 {}" },
	{ USER_DMA_UNMAP, U32(18) U32(02) U64(00) U64(00), U32(18) U32(00) U64(00) U64(05),
	  "message DMA_UNMAP(argsz=24 flags=ALL address=0 size=0) = 0 {argsz=24 flags=0 address=0 size=0x5}" },
	{ USER_GET_INFO, U32(10) U32(00) U32(00) U32(00), U32(10) U32(83) U32(09) U32(05),
	  "message DEVICE_GET_INFO(argsz=16) = 0 {argsz=16 flags=RESET|PCI|0x80 num_regions=9 num_irqs=5}" },
	{ USER_GET_REGION_INFO, U32(20) U32(00) U32(02) U32(00) U64(00) U64(00),
	  U32(40) U32(0f) U32(02) U32(20) U64(10) U64(00),
	  "message DEVICE_GET_REGION_INFO(argsz=32 index=2) = 0 {argsz=64 flags=READ|WRITE|MMAP|CAPS index=2 "
	  "cap_offset=32 size=0x10 offset=0}" },
	{ USER_GET_REGION_IO_FDS, U32(10) U32(00) U32(01) U32(00), U32(10) U32(00) U32(01) U32(02),
	  "message DEVICE_GET_REGION_IO_FDS(argsz=16 flags=0 index=1 count=0) = 0 {argsz=16 flags=0 index=1 count=2}" },
	{ USER_GET_IRQ_INFO, U32(10) U32(00) U32(02) U32(00), U32(10) U32(09) U32(02) U32(04),
	  "message DEVICE_GET_IRQ_INFO(argsz=16 index=2) = 0 {argsz=16 flags=EVENTFD|NORESIZE index=2 count=4}" },
	{ USER_SET_IRQS, U32(14) U32(24) U32(02) U32(00) U32(03), "",
	  "message DEVICE_SET_IRQS(argsz=20 flags=DATA_EVENTFD|ACTION_TRIGGER index=2 start=0 count=3) = 0 {}" },
	{ USER_REGION_READ, U64(10) U32(00) U32(04), U64(10) U32(00) U32(04) "01020304",
	  "message REGION_READ(offset=0x10 region=0 count=4) = 4 {count=4 data=01020304}" },
	{ USER_REGION_WRITE, U64(10) U32(00) U32(02) "abcd", U64(10) U32(00) U32(02),
	  "message REGION_WRITE(offset=0x10 region=0 count=2 data=abcd) = 2 {count=2}" },
	{ USER_DMA_READ, U64(10) U64(02), U64(10) U64(02) "abcd",
	  "command DMA_READ(address=0x10 count=2) = 2 {count=2 data=abcd}" },
	{ USER_DMA_WRITE, U64(10) U64(02) "abcd", U64(10) U32(02),
	  "command DMA_WRITE(address=0x10 count=2 data=abcd) = 2 {count=2}" },
	{ USER_RESET, "", "", "message DEVICE_RESET() = 0 {}" },
	{ USER_REGION_WRITE_MULTI, U64(01) U64(10) U32(00) U32(08) U64(05), U64(01),
	  "message REGION_WRITE_MULTI(wr_cnt=1) = 0 {wr_cnt=1}" },
	{ USER_FEATURE, "10000000 02000200" U32(06) "ffffffff", "10000000 02000200" U32(06) "ffffffff",
	  "message DEVICE_FEATURE(argsz=16 feature=MIG_DEVICE_STATE operation=SET device_state=PRE_COPY data_fd=-1) "
	  "= 0 {device_state=PRE_COPY data_fd=-1}" },
	{ USER_FEATURE, "10000000 02000200" U32(63) U32(05), "",
	  "message DEVICE_FEATURE(argsz=16 feature=MIG_DEVICE_STATE operation=SET device_state=99 data_fd=5) = 0 {}" },
	{ USER_FEATURE, "10000000 01000100" U64(00), "10000000 01000100" U64(05),
	  "message DEVICE_FEATURE(argsz=16 feature=MIGRATION operation=GET) = 0 {flags=STOP_COPY|PRE_COPY}" },
	{ USER_FEATURE, "08000000 09000500", "",
	  "message DEVICE_FEATURE(argsz=8 feature=MIG_DATA_SIZE operation=PROBE|GET) = 0 {}" },
	{ USER_FEATURE, "10000000 09000100" U64(00), "10000000 09000100" U64(77),
	  "message DEVICE_FEATURE(argsz=16 feature=MIG_DATA_SIZE operation=GET) = 0 {stop_copy_length=119}" },
	{ USER_FEATURE, "28000000 06000200 0010000000000000" U32(01) U32(00) "0000100000000000" U64(80), "",
	  "message DEVICE_FEATURE(argsz=40 feature=DMA_LOGGING_START operation=SET page_size=4096 num_ranges=1 "
	  "ranges=0x100000+0x80) = 0 {}" },
	{ USER_FEATURE, "28000000 08000100 0000100000000000 0000010000000000 0010000000000000",
	  "28000000 08000100 0000100000000000 0000010000000000 0010000000000000 0300000000000080",
	  "message DEVICE_FEATURE(argsz=40 feature=DMA_LOGGING_REPORT operation=GET iova=0x100000 length=0x10000 "
	  "page_size=4096) = 0 {dirty_pages=3}" },
	{ USER_FEATURE, "20000000 01670100" U32(18) U32(00) U64(00) U64(00),
	  "20000000 01670100" U32(18) U32(01) U64(10) U64(02),
	  "message DEVICE_FEATURE(argsz=32 feature=GODWIT_PRECOPY_INFO operation=GET) = 0 {flags=REINIT "
	  "initial_bytes=16 dirty_bytes=2}" },
	{ USER_FEATURE, "08000000 ffff0000", "", "message DEVICE_FEATURE(argsz=8 feature=65535 operation=0) = 0 {}" },
	{ USER_DATA_READ, U32(28) U32(20), U32(28) U32(12) "000102030405060708090a0b0c0d0e0f1011 0000000000",
	  "message MIG_DATA_READ(argsz=40 size=32) = 18 {argsz=40 size=18 data=000102030405060708090a0b0c0d0e0f...}" },
	{ USER_DATA_READ, U32(28) U32(20), U32(28) U32(00) "0000",
	  "message MIG_DATA_READ(argsz=40 size=32) = 0 {argsz=40 size=0}" },
	{ USER_DATA_WRITE, U32(0a) U32(02) "abcd", "", "message MIG_DATA_WRITE(argsz=10 size=2 data=abcd) = 2 {}" },
	{ 14, "0102", "03", "message command(number=14) = 0 {}" },
	{ 0xffff, "", "", "message command(number=65535) = 0 {}" },
};

static void test_samples(void **unused)
{
	for (unsigned i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t request_bytes, reply_bytes;
		uint8_t *request = make(samples[i].command, 0, 0, samples[i].request, &request_bytes);
		uint8_t *reply = make(samples[i].command, 1, 0, samples[i].reply, &reply_bytes);
		char text[TRACE_TEXT_BYTES], room[GW_TRACE_ROOM_BYTES];
		struct gw_trace_call call;

		assert_int_equal(gw_trace_decode(reply, reply_bytes, request, request_bytes, &call, room), 0);
		assert_int_equal(call.size, sizeof(call));
		assert_string_equal(call.device, "");
		trace_text(text, &call);
		assert_string_equal(text, samples[i].text);
		free(request);
		free(reply);
	}
}

/* Every message cut at every place, said to be whole and said to be longer. */
static void test_cut(void **unused)
{
	for (unsigned i = 0; i < ARRAY_SIZE(samples); i++) {
		size_t whole_bytes, other_bytes;
		uint8_t *whole = make(samples[i].command, 1, 0, samples[i].reply, &whole_bytes);
		uint8_t *other = make(samples[i].command, 0, 0, samples[i].request, &other_bytes);

		for (size_t size = 0; size <= whole_bytes + other_bytes; size++) {
			int is_reply = size <= whole_bytes;
			size_t n = is_reply ? size : size - whole_bytes;
			uint32_t stated = (uint32_t)n;
			uint8_t *cut = malloc(n ? n : 1);
			char room[GW_TRACE_ROOM_BYTES];
			struct gw_trace_call call;
			int want = n < 16 ? -EBADMSG : 0;

			memcpy(cut, is_reply ? whole : other, n);
			assert_int_equal(gw_trace_decode(cut, n, other, other_bytes, &call, room), want);
			assert_int_equal(gw_trace_decode(whole, whole_bytes, cut, n, &call, room), 0);
			if (n >= 16)
				memcpy(cut + 4, &stated, sizeof(stated));
			assert_int_equal(gw_trace_decode(cut, n, cut, n, &call, room), want);
			free(cut);
		}
		free(whole);
		free(other);
	}
}

static void test_no_message(void **unused)
{
	struct {
		uint32_t size, flags;
	} bad[] = { { 15, 0 }, { 0, 0 }, { 19, 0 }, { 20, 2 }, { 20, 15 } };
	char room[GW_TRACE_ROOM_BYTES];
	struct gw_trace_call call;
	uint8_t message[20] = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(message + 4, &bad[i].size, 4);
		memcpy(message + 8, &bad[i].flags, 4);
		assert_int_equal(gw_trace_decode(message, sizeof(message), NULL, 0, &call, room), -EBADMSG);
		assert_int_equal(call.nr_arguments + call.nr_answers, 0);
	}
	assert_int_equal(gw_trace_decode(NULL, 0, NULL, 0, &call, room), -EBADMSG);
}

/* A command alone, one that wants no reply, an error, a reply without its request or with one that is none of its. */
static void test_kinds(void **unused)
{
	char text[TRACE_TEXT_BYTES], room[GW_TRACE_ROOM_BYTES];
	size_t size, other_size;
	struct gw_trace_call call;
	uint8_t *message = make(USER_REGION_WRITE, USER_NO_REPLY, 0, U64(10) U32(00) U32(02) "abcd", &size), *other;

	assert_int_equal(gw_trace_decode(message, size, NULL, 0, &call, room), 0);
	trace_text(text, &call);
	assert_string_equal(text,
			    "message REGION_WRITE(offset=0x10 region=0 count=2 data=abcd header=NO_REPLY) = 0 {}");
	free(message);
	message = make(USER_FEATURE, USER_TYPE_REPLY | USER_ERROR, ENOTTY, "08000000 09000500", &size);
	other = make(USER_RESET, 0, 0, "", &other_size);
	assert_int_equal(gw_trace_decode(message, size, other, other_size, &call, room), 0);
	trace_text(text, &call);
	assert_string_equal(text, "message DEVICE_FEATURE() = -25 {}");
	free(message);
	message = make(USER_FEATURE, USER_TYPE_REPLY | USER_ERROR, 123456, "", &size);
	assert_int_equal(gw_trace_decode(message, size, message, size, &call, room), 0);
	assert_int_equal(call.result, -EIO);
	free(message);
	message = make(USER_FEATURE, USER_TYPE_REPLY, 0, "10000000 09000100" U64(77), &size);
	assert_int_equal(gw_trace_decode(message, size, NULL, 0, &call, room), 0);
	trace_text(text, &call);
	assert_string_equal(text, "message DEVICE_FEATURE() = 0 {stop_copy_length=119}");
	free(message);
	free(other);
}

/* Of a message's first bytes: a bitmap that is not all there is not counted, text that is too long is cut. */
static void test_prefix(void **unused)
{
	char text[TRACE_TEXT_BYTES], room[GW_TRACE_ROOM_BYTES];
	struct user_header header = { .command = USER_VERSION, .msg_size = 60000 };
	struct gw_trace_call call;
	size_t size;
	uint8_t *message =
		make(USER_FEATURE, 1, 0,
		     "28000000 08000100 0000100000000000 0000010000000000 0010000000000000 0300000000000080", &size);
	static uint8_t version[60000];

	message[5] = 1; /* 256 bytes more */
	assert_int_equal(gw_trace_decode(message, size, NULL, 0, &call, room), 0);
	trace_text(text, &call);
	assert_string_equal(text, "message DEVICE_FEATURE() = 0 {}");
	free(message);
	memset(version, '{', sizeof(version));
	user_header_encode(version, &header);
	assert_int_equal(gw_trace_decode(version, sizeof(version), NULL, 0, &call, room), 0);
	assert_int_equal(strlen(call.arguments[2].text), 403);
	assert_string_equal(call.arguments[2].text + 399, "{...");
	header.flags = USER_TYPE_REPLY;
	user_header_encode(version, &header);
	header.flags = 0;
	message = malloc(sizeof(version));
	memcpy(message, version, sizeof(version));
	user_header_encode(message, &header);
	assert_int_equal(gw_trace_decode(version, sizeof(version), message, sizeof(version), &call, room), 0);
	assert_int_equal(strlen(call.arguments[2].text), 403);
	assert_int_equal(strlen(call.answers[2].text), 403);
	free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples), cmocka_unit_test(test_cut),    cmocka_unit_test(test_no_message),
		cmocka_unit_test(test_kinds),   cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests_name("trace_decode", tests, NULL, NULL);
}
