/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: a frame's header and the fixed parts behind it. Input: the 32 bytes of a header, then the start of a
 * body. What is taken must be within its bounds, and give the same bytes when it is encoded again.
 */
#include "fuzz.h"

#include "wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void check_run(const struct page_run *run, const struct page_run *before, uint64_t first_gpa)
{
	uint64_t bytes = (uint64_t)run->nr_pages * 4096;

	fuzz_check(run->nr_pages >= 1 && run->nr_pages <= 512 && run->gpa % 4096 == 0 && run->flags <= 1);
	fuzz_check(run->gpa <= UINT64_MAX - bytes + 1);
	fuzz_check(run->gpa - first_gpa + bytes <= 2 * 1024 * 1024);
	fuzz_check(!before || run->gpa >= before->gpa + (uint64_t)before->nr_pages * 4096);
}

static void fuzz_runs(const uint8_t *body, size_t size, uint32_t body_bytes)
{
	struct page_run runs[512];
	uint8_t *again;
	uint32_t nr;

	if (size < FRAME_RAM_FIXED_BYTES || frame_runs_count(body, body_bytes, &nr))
		return;
	fuzz_check(nr >= 1 && nr <= 512 && frame_runs_bytes(nr) <= body_bytes);
	if (size < frame_runs_bytes(nr) || frame_runs_decode(body, nr, body_bytes - frame_runs_bytes(nr), runs))
		return;
	for (uint32_t i = 0; i < nr; i++)
		check_run(&runs[i], i ? &runs[i - 1] : NULL, runs[0].gpa);
	again = malloc(frame_runs_bytes(nr));
	frame_runs_encode(again, runs, nr);
	fuzz_check(!memcmp(again, body, frame_runs_bytes(nr)));
	free(again);
}

static void fuzz_device(const uint8_t *body, size_t size, uint32_t body_bytes)
{
	uint8_t again[FRAME_DEVICE_FIXED_BYTES];
	struct device_buffer_header header;

	if (size < FRAME_DEVICE_FIXED_BYTES || frame_device_decode(body, body_bytes, &header))
		return;
	fuzz_check(header.device < 32 && header.flags < 8);
	fuzz_check(header.sent + (body_bytes - FRAME_DEVICE_FIXED_BYTES) >= header.sent);
	frame_device_encode(again, &header);
	fuzz_check(!memcmp(again, body, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[FRAME_HEADER_BYTES];
	struct frame_header header;
	int ret;

	if (size < FRAME_HEADER_BYTES)
		return 0;
	ret = frame_header_decode(data, &header);
	if (ret) {
		fuzz_check(ret == -EBADMSG || ret == -EPROTONOSUPPORT);
		return 0;
	}
	fuzz_check(header.head_bytes <= header.body_bytes && header.body_bytes <= 4 + 16 * 1024 * 1024);
	frame_header_encode(again, &header);
	fuzz_check(!memcmp(again, data, sizeof(again)));
	data += FRAME_HEADER_BYTES;
	size -= FRAME_HEADER_BYTES;
	if (header.type == FRAME_RAM)
		fuzz_runs(data, size, header.body_bytes);
	if (header.type == FRAME_DEVICE)
		fuzz_device(data, size, header.body_bytes);
	return 0;
}
