/* SPDX-License-Identifier: BSD-3-Clause */
/* What a bzImage says of itself, doubted. */
#include "ref/board/bzimage.h"

#include <errno.h>
#include <string.h>

#define MAGIC         0x53726448u /* "HdrS" */
#define BOOT_FLAG     0xaa55
#define VERSION_LEAST 0x020a

#define SECTOR_BYTES        512
#define SETUP_SECTS_DEFAULT 4 /* where the header says 0 */
#define PARAGRAPH_BYTES     16
#define HIGH_LOAD_GPA       0x100000
#define ADDRESS_LIMIT       (1ull << 32) /* it is entered in 32-bit mode */
#define HEADER_LENGTH_AT    0x201        /* a byte: the header ends that far beyond the next one */
#define HEADER_LENGTH_BASE  0x202
#define HEADER_LEAST_BYTES  (offsetof(struct setup_header, init_size) + sizeof(uint32_t))

static int refuse(const struct bzimage *image, int code, const char *why, struct gw_error *e)
{
	return gw_error_set(e, code, image->file.what, "%s: %s", image->file.path, why);
}

/* The header's own length, by which newer kernels have more of it than older ones. */
static int read_header(struct bzimage *image, struct gw_error *e)
{
	uint8_t start[BZIMAGE_HEADER_AT + BZIMAGE_MAX_HEADER_BYTES];
	const struct setup_header *header = (const void *)(start + BZIMAGE_HEADER_AT);
	size_t header_bytes;
	int ret;

	if (image->file.size_bytes < sizeof(start))
		return refuse(image, -ENOEXEC, "not a Linux kernel (bzImage): too short for one", e);
	ret = boot_file_read(&image->file, 0, start, sizeof(start), e);
	if (ret)
		return ret;
	if (header->boot_flag != BOOT_FLAG || header->header != MAGIC)
		return refuse(image, -ENOEXEC, "not a Linux kernel (bzImage): no boot header", e);
	if (header->version < VERSION_LEAST)
		return gw_error_set(e, -ENOEXEC, image->file.what,
				    "%s: boot protocol %u.%02u is too old, 2.10 is the first that serves",
				    image->file.path, header->version >> 8, header->version & 0xff);
	header_bytes = HEADER_LENGTH_BASE + start[HEADER_LENGTH_AT] - BZIMAGE_HEADER_AT;
	if (header_bytes < HEADER_LEAST_BYTES || header_bytes > BZIMAGE_MAX_HEADER_BYTES)
		return refuse(image, -EBADMSG, "its boot header has a length that cannot be", e);
	memcpy(image->header_bytes, header, header_bytes);
	return 0;
}

/* What follows the code, a signature for example, is not loaded. */
static int find_code(struct bzimage *image, struct gw_error *e)
{
	uint64_t sectors = image->header.setup_sects ? image->header.setup_sects : SETUP_SECTS_DEFAULT;

	if (!(image->header.loadflags & LOADED_HIGH))
		return refuse(image, -ENOEXEC, "a kernel that wants to be loaded low (zImage), which is not done here",
			      e);
	image->code_at = (1 + sectors) * SECTOR_BYTES;
	image->code_bytes = (uint64_t)image->header.syssize * PARAGRAPH_BYTES;
	if (!image->code_bytes)
		return refuse(image, -EBADMSG, "its boot header says that there is no code", e);
	if (image->code_at + image->code_bytes > image->file.size_bytes)
		return gw_error_set(e, -EBADMSG, image->file.what, "%s is truncated: it has %llu bytes of %llu",
				    image->file.path, (unsigned long long)image->file.size_bytes,
				    (unsigned long long)(image->code_at + image->code_bytes));
	return 0;
}

/* A kernel that can be moved is put where it runs; one that cannot moves itself there from 1 MiB. */
static int place(struct bzimage *image, struct gw_error *e)
{
	const struct setup_header *header = &image->header;
	uint64_t align = header->relocatable_kernel ? header->kernel_alignment : 1;
	uint64_t at = header->pref_address;

	if (at < HIGH_LOAD_GPA || at >= ADDRESS_LIMIT || !align || align & (align - 1))
		return refuse(image, -EBADMSG, "its boot header names no place in memory where it could run", e);
	image->run_gpa = (at + align - 1) & ~(align - 1);
	image->load_gpa = header->relocatable_kernel ? image->run_gpa : HIGH_LOAD_GPA;
	image->end_gpa = image->run_gpa + header->init_size;
	if (image->end_gpa < image->load_gpa + image->code_bytes)
		image->end_gpa = image->load_gpa + image->code_bytes;
	return 0;
}

int bzimage_open(struct bzimage *image, const char *path, struct gw_error *e)
{
	int ret;

	memset(image, 0, sizeof(*image));
	ret = boot_file_open(&image->file, "kernel", path, e);
	if (ret)
		return ret;
	ret = read_header(image, e);
	if (!ret)
		ret = find_code(image, e);
	if (!ret)
		ret = place(image, e);
	if (ret)
		bzimage_close(image);
	return ret;
}

void bzimage_close(struct bzimage *image)
{
	boot_file_close(&image->file);
}
