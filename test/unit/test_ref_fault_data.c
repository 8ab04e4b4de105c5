/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults of the device's state on its way out and in, and of what is said about it, over the socket. */
#include "test/unit/fault_rig.h"

struct info {
	uint32_t argsz, flags;
	uint64_t initial, dirty;
};

static struct info ask(struct rig *r)
{
	struct info info;

	assert_int_equal(rig_feature(r, 32, 1 << 16 | 0x6701, NULL, 0), 0);
	memcpy(&info, r->c.body + 8, sizeof(info));
	return info;
}

/* An image that is right. */
static uint32_t save_sound(struct rig *r, uint8_t **image)
{
	rig_open(r);
	rig_save(r);
	rig_close(r);
	rig_open(r);
	rig_save(r);
	*image = malloc(r->image_bytes);
	assert_non_null(*image);
	memcpy(*image, r->image, r->image_bytes);
	rig_close(r);
	return r->image_bytes;
}

static void bytes_go_wrong_on_the_way_out(void **state)
{
	struct rig r;
	uint8_t *image;
	uint32_t bytes = save_sound(&r, &image);

	rig_open(&r, "read:STOP_COPY=lose:3,at=10000,times=1", "read:STOP_COPY=flip,at=10000,times=1",
		 "read:STOP_COPY=short:100,size=8192");
	rig_save(&r);
	assert_int_equal(r.image_bytes, bytes - 3);
	assert_memory_equal(r.image, image, 10000);
	assert_memory_equal(r.image + 10000, image + 10003, bytes - 10003);
	rig_save(&r);
	assert_int_equal(r.image_bytes, bytes);
	assert_int_equal(r.image[10000], image[10000] ^ 1);
	r.image[10000] ^= 1;
	assert_memory_equal(r.image, image, bytes);
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 8192), 8092);
	assert_memory_equal(r.c.body + 8, image, 8092);
	rig_read_all(&r, 4000);
	assert_int_equal(r.image_bytes, bytes - 8092);
	assert_memory_equal(r.image, image + 8092, bytes - 8092);
	free(image);
	rig_close(&r);
}

static void reads_fail_or_end_early(void **state)
{
	struct rig r;

	rig_open(&r, "read:STOP_COPY=EIO,at=10000,times=1", "read:STOP_COPY=early-end,at=20000", "read:RUNNING=accept",
		 "read:STOP=reset");
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 10000), 10000);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 1), -EIO);
	rig_read_all(&r, 8192);
	assert_int_equal(r.image_bytes, 10000);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 8192), 0);
	rig_go(&r, STOP);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 8192), -EINVAL);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 8192), 0);
	rig_go(&r, RESUMING);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 8192), -EINVAL);
	rig_close(&r);
}

static void reset_in_mid_stream(void **state)
{
	struct rig r;

	rig_open(&r, "read:STOP_COPY=reset,at=10000,times=1", "write=reset,at=5000");
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 10000), 10000);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 1), -EINVAL);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	rig_save(&r);
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), EINVAL);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	rig_close(&r);
}

static void more_comes_than_there_is(void **state)
{
	struct rig r;
	uint32_t bytes;

	rig_open(&r, "end:STOP_COPY:first=extra:5", "end:STOP_COPY:again=extra:7");
	rig_save(&r);
	bytes = r.image_bytes;
	assert_int_equal(rig_load(&r, r.image, bytes), EBADMSG);
	rig_reset(&r);
	assert_int_equal(rig_load(&r, r.image, bytes - 5), 0);
	rig_go(&r, STOP_COPY);
	rig_read_all(&r, 8192);
	assert_int_equal(r.image_bytes, bytes);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 100), 7);
	rig_close(&r);
	rig_open(&r, "end:STOP_COPY=EIO");
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 250000), bytes - 5);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 1), -EIO);
	rig_close(&r);
}

static void bytes_go_wrong_on_the_way_in(void **state)
{
	struct rig r;

	rig_open(&r, "write=ignore,at=50000,times=1", "write=flip,at=50000,times=1", "write=lose:1,at=50000,times=1",
		 "write=EINVAL,size=1", "write:STOP=accept");
	rig_save(&r);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rig_load(&r, r.image, r.image_bytes), EBADMSG);
		rig_reset(&r);
	}
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), 0);
	assert_int_equal(client_data_write(&r.c, r.c.fd, r.image, 100), 0);
	rig_go(&r, RESUMING);
	assert_int_equal(client_data_write(&r.c, r.c.fd, r.image, 1), EINVAL);
	assert_int_equal(client_data_write(&r.c, r.c.fd, r.image, 2), 0);
	rig_close(&r);
}

enum bad {
	EMPTY,
	STUB,
	TRUNCATED,
	UNFINISHED,
	GARBAGE,
	HEAD_BIT,
	FOREIGN,
	RECORD,
	CONTENTS,
	SUM_BIT,
	DOUBLED,
	EXTRA,
	NR_BAD
};

/* One kind of image that is none, in the room of the rig, from one that is. */
static uint32_t spoil(struct rig *r, const uint8_t *image, uint32_t bytes, enum bad bad)
{
	static const uint32_t flipped[NR_BAD] = { [FOREIGN] = 16, [CONTENTS] = 5000 }; /* memory bytes; of a block */
	static const uint32_t cut[NR_BAD] = { [STUB] = 10, [TRUNCATED] = 5000 };

	memcpy(r->image, image, bytes);
	switch (bad) {
	case EMPTY:
	case STUB:
	case TRUNCATED:
		return cut[bad];
	case UNFINISHED:
		return bytes - 1;
	case GARBAGE:
		for (uint32_t i = 0; i < bytes; i++)
			r->image[i] = (uint8_t)(i * 7);
		return bytes;
	case RECORD: /* the type of the last one */
		r->image[bytes - 24] ^= 0x80;
		return bytes;
	case SUM_BIT:
		r->image[bytes - 1] ^= 1;
		return bytes;
	case DOUBLED: /* the first part of the second one: there is room for no more */
		memcpy(r->image + bytes, image, 4096);
		return bytes + 4096;
	case EXTRA:
		r->image[bytes] = 0;
		return bytes + 1;
	default:
		r->image[flipped[bad]] ^= 1;
		return bytes;
	}
}

/* Each kind passes by the fault for it, and the others do not. */
static void one_kind_of_bad_image_is_accepted(void **state)
{
	static const char *const faults[NR_BAD] = {
		[EMPTY] = "load:empty=accept",         [STUB] = "load:stub=accept",
		[TRUNCATED] = "load:truncated=accept", [UNFINISHED] = "load:unfinished=accept",
		[GARBAGE] = "load:garbage=accept",     [HEAD_BIT] = "load:head-bit=accept",
		[FOREIGN] = "load:foreign=accept",     [RECORD] = "load:record=accept",
		[CONTENTS] = "load:digest=accept",     [SUM_BIT] = "load:sum-bit=accept",
		[DOUBLED] = "load:doubled=accept",     [EXTRA] = "load:extra=accept",
	};
	struct rig r;
	uint8_t *image;
	uint32_t bytes = save_sound(&r, &image);

	for (int fault = 0; fault < NR_BAD; fault++) {
		rig_open(&r, faults[fault]);
		for (int bad = 0; bad < NR_BAD; bad++) {
			int ret = rig_load(&r, r.image, spoil(&r, image, bytes, (enum bad)bad));

			if ((ret == 0) != (fault == bad))
				fail_msg("%s: image %d: %d", faults[fault], bad, ret);
			rig_reset(&r);
		}
		assert_int_equal(rig_load(&r, image, bytes), 0);
		rig_close(&r);
	}
	free(image);
}

/* Written while it was saved, after it had been read: by the fault the image has what was there before. */
static void a_write_is_not_noted(void **state)
{
	struct rig r;

	rig_open(&r, "region:STOP:2=EIO", "region:PRE_COPY:2=forget,times=1");
	for (int i = 0; i < 2; i++) {
		rig_go(&r, PRE_COPY);
		rig_read_all(&r, 8192);
		assert_int_equal(client_write(&r.c, 2, 64, 88, 8), 0);
		rig_read_all(&r, 8192);
		assert_int_equal(r.image_bytes != 0, i);
		rig_go(&r, RUNNING);
	}
	rig_go(&r, STOP);
	assert_int_equal(client_write(&r.c, 2, 64, 88, 8), EIO);
	assert_int_equal(client_write(&r.c, 0, 0x128, 88, 8), 0);
	rig_close(&r);
}

static void a_good_image_goes_wrong(void **state)
{
	struct rig r;
	uint8_t *image;
	uint32_t bytes = save_sound(&r, &image);

	rig_open(&r, "load:good=EIO,times=1", "load:good=flip,at=4096,times=1", "load=ignore,times=1");
	assert_int_equal(rig_load(&r, image, bytes), EIO);
	rig_reset(&r);
	assert_int_equal(rig_load(&r, image, bytes), 0);
	rig_go(&r, RUNNING);
	rig_save(&r);
	assert_int_equal(r.image_bytes, bytes);
	assert_memory_not_equal(r.image, image, bytes);
	rig_reset(&r);
	assert_int_equal(client_write(&r.c, 2, 64, 88, 8), 0);
	rig_save(&r);
	rig_reset(&r);
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), 0); /* ignored */
	assert_int_not_equal(client_read(&r.c, 2, 64, 8), 88);
	rig_go(&r, RUNNING);
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), 0);
	assert_int_equal(client_read(&r.c, 2, 64, 8), 88);
	free(image);
	rig_close(&r);
}

/* linux/vfio.h of dirty_bytes: "this field starts at zero". */
static void dirty_bytes_start_at_zero(void **state)
{
	struct rig r;
	struct info info;

	rig_open(&r);
	rig_go(&r, PRE_COPY);
	info = ask(&r);
	assert_true(info.initial > 0);
	assert_int_equal(info.dirty, 0);
	assert_int_equal(client_write(&r.c, 2, 70000, 1, 8), 0);
	assert_int_equal(ask(&r).dirty, 0);
	assert_int_equal(rig_feature(&r, 16, 1 << 16 | 9, NULL, 0), 0);
	assert_true(rig_u64(&r, 8) > info.initial + (64 << 10)); /* the bound of the stop-copy size knows of all */
	assert_int_equal(client_data_read(&r.c, r.c.fd, 1), 1);
	assert_true(ask(&r).dirty >= 64 << 10);
	rig_close(&r);
}

static void lies_about_what_is_left(void **state)
{
	struct rig r;
	struct info first, info;

	rig_open(&r, "precopy=initial:0,times=1", "precopy=dirty:-1,times=1", "precopy=rise:1M,times=3",
		 "precopy=flags:0x10,times=1", "precopy=argsz:7,times=1", "precopy:PRE_COPY=EIO,times=1",
		 "precopy:STOP_COPY=accept");
	rig_go(&r, PRE_COPY);
	assert_int_equal(ask(&r).initial, 0);
	first = ask(&r);
	assert_int_equal(first.dirty, UINT64_MAX);
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(ask(&r).initial, first.initial + (i << 20));
	info = ask(&r);
	assert_int_equal(info.flags, 0x10);
	assert_int_equal(info.initial, first.initial);
	assert_int_equal(ask(&r).argsz, 7);
	assert_int_equal(rig_feature(&r, 32, 1 << 16 | 0x6701, NULL, 0), EIO);
	rig_go(&r, STOP_COPY);
	assert_int_equal(ask(&r).initial, 0);
	rig_go(&r, RUNNING);
	assert_int_equal(rig_feature(&r, 32, 1 << 16 | 0x6701, NULL, 0), EINVAL);
	rig_close(&r);
}

/* Without --rearm, and once it is there: the image is one that loads. */
static void rearmed_at_a_byte(void **state)
{
	struct rig r;
	uint32_t initial;

	rig_open(&r, "precopy:PRE_COPY=reinit,at=60000,times=1");
	rig_go(&r, PRE_COPY);
	initial = (uint32_t)ask(&r).initial;
	assert_true(initial > 60000);
	assert_int_equal(client_data_read(&r.c, r.c.fd, initial), initial);
	assert_int_equal(ask(&r).flags, 1);
	assert_true(ask(&r).initial > 0);
	rig_close(&r);
}

static void lies_about_the_stop_size(void **state)
{
	struct rig r;
	uint64_t sound;

	rig_open(&r, "size:STOP=value:1", "size:STOP_COPY=add:-1", "size:RESUMING=EINVAL");
	rig_go(&r, STOP_COPY);
	assert_int_equal(rig_feature(&r, 16, 1 << 16 | 9, NULL, 0), 0);
	sound = rig_u64(&r, 8) + 1;
	rig_read_all(&r, 8192);
	assert_int_equal(r.image_bytes, sound);
	rig_go(&r, STOP);
	assert_int_equal(rig_feature(&r, 16, 1 << 16 | 9, NULL, 0), 0);
	assert_int_equal(rig_u64(&r, 8), 1);
	rig_go(&r, RESUMING);
	assert_int_equal(rig_feature(&r, 16, 1 << 16 | 9, NULL, 0), EINVAL);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_wrong_on_the_way_out),
		cmocka_unit_test(reads_fail_or_end_early),
		cmocka_unit_test(reset_in_mid_stream),
		cmocka_unit_test(more_comes_than_there_is),
		cmocka_unit_test(bytes_go_wrong_on_the_way_in),
		cmocka_unit_test(one_kind_of_bad_image_is_accepted),
		cmocka_unit_test(a_good_image_goes_wrong),
		cmocka_unit_test(a_write_is_not_noted),
		cmocka_unit_test(dirty_bytes_start_at_zero),
		cmocka_unit_test(lies_about_what_is_left),
		cmocka_unit_test(rearmed_at_a_byte),
		cmocka_unit_test(lies_about_the_stop_size),
	};

	return cmocka_run_group_tests_name("ref_fault_data", tests, NULL, NULL);
}
