/* SPDX-License-Identifier: BSD-3-Clause */
/* A Linux kernel made up, and the RAM it is booted in. */
#ifndef TEST_BOOT_RIG_H
#define TEST_BOOT_RIG_H

#include "ref/board/boot.h"

#include <asm/bootparam.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1ull << 20)

#define RAM_BYTES     (32 * MIB)
#define LOAD_GPA      0x200000u
#define INIT_BYTES    (4 * MIB)
#define SETUP_SECTS   2
#define CODE_AT       ((1 + SETUP_SECTS) * 512)
#define CODE_BYTES    2048
#define FILE_BYTES    (CODE_AT + CODE_BYTES)
#define CMDLINE_BYTES 255
#define HEADER_END_AT 0x201

/* Tells esi and the first byte of the command line at the debug port, by its data segment, and stops. */
static const uint8_t code[] = {
	0xba, 0xe9, 0x00, 0x00, 0x00,       /* mov edx, 0xe9 */
	0x89, 0xf0,                         /* mov eax, esi */
	0xef,                               /* out dx, eax */
	0x8b, 0x86, 0x28, 0x02, 0x00, 0x00, /* mov eax, [esi + 0x228], the command line */
	0x8b, 0x00,                         /* mov eax, [eax] */
	0xef,                               /* out dx, eax */
	0xf4,                               /* hlt */
};

struct rig {
	char kernel[64], initrd[64];
	uint8_t file[FILE_BYTES];
	struct guest_memory memory;
	struct ref_vm_options options;
	struct boot boot;
	struct gw_error e;
	uint32_t entry;
};

static inline struct setup_header *header_of(struct rig *rig)
{
	return (struct setup_header *)(rig->file + offsetof(struct boot_params, hdr));
}

/* A relocatable kernel that fits. */
static inline void make_kernel(struct rig *rig)
{
	memset(rig->file, 0xcc, sizeof(rig->file));
	memset(rig->file, 0, CODE_AT);
	memcpy(rig->file + CODE_AT, code, sizeof(code));
	*header_of(rig) = (struct setup_header){
		.setup_sects = SETUP_SECTS,
		.syssize = CODE_BYTES / 16,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb, /* its second byte is the header's length */
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.cmdline_size = CMDLINE_BYTES,
		.pref_address = LOAD_GPA,
		.init_size = INIT_BYTES,
		.setup_data = 0x1234, /* nothing a file should say */
	};
}

static inline void write_file(char path[64], const void *bytes, size_t size_bytes)
{
	int fd;

	strcpy(path, "/tmp/godwit-boot-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size_bytes), size_bytes);
	close(fd);
}

static inline void rewrite(const char *path, const void *bytes, size_t size_bytes)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size_bytes), size_bytes);
	close(fd);
}

static inline void make_ram(struct rig *rig, uint64_t size_bytes)
{
	uint8_t *at = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	rig->memory = (struct guest_memory){ .hva = at, .size_bytes = size_bytes, .fd = -1, .nr_blocks = 1 };
	rig->memory.blocks[0] = (struct gw_ram_block){ .size_bytes = size_bytes, .hva = at };
}

static inline int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	make_kernel(rig);
	write_file(rig->kernel, rig->file, sizeof(rig->file));
	make_ram(rig, RAM_BYTES);
	ref_vm_options_init(&rig->options);
	rig->options.kernel_path = rig->kernel;
	rig->boot = (struct boot){
		.options = &rig->options, .memory = &rig->memory, .nr_vcpus = 2, .nr_devices = 3, .tsc_khz = 1000000
	};
	*state = rig;
	return 0;
}

static inline int tear_down(void **state)
{
	struct rig *rig = *state;

	unlink(rig->kernel);
	if (rig->initrd[0])
		unlink(rig->initrd);
	munmap(rig->memory.hva, rig->memory.size_bytes);
	free(rig);
	return 0;
}

static const uint8_t *ram(const struct rig *rig, uint64_t gpa)
{
	return rig->memory.hva + gpa;
}

/* The one boot_params in RAM, where the protocol leaves it to the loader. */
static const struct boot_params *params_of(const struct rig *rig)
{
	return (const void *)ram(rig, 0x7000);
}

static inline uint32_t u32_at(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
