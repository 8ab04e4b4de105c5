/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM that waits for a guest, with a device that another VM's guest has left at work. */
#include "ref_server.h"

#include "ref/device_registers.h"
#include "ref/vm/machine.h"

#include <stddef.h>
#include <stdint.h>

#define RING_BYTES    65536u
#define RECORDS_PER_S 10 /* so that the ring is not full for long */

static void put(struct gw_device *dev, uint64_t reg, uint64_t value, size_t size)
{
	assert_int_equal(gw_device_region_write(dev, GW_REGION_BAR0, reg, &value, size, NULL), size);
}

/* What the device of a guest is that has moved away, or died, in the middle of its work. */
static void leave_at_work(const char *uri)
{
	struct gw_error e = GW_ERROR_NONE;
	struct guest_memory memory;
	struct gw_device *dev = NULL;

	if (guest_memory_open(&memory, REF_VM_MIN_MEMORY_BYTES, &e) || gw_device_open(&dev, "dev0", uri, &e) ||
	    guest_memory_map(&memory, dev, &e))
		fail_msg("%s: %s", e.where, e.what);
	put(dev, REFDEV_REG_STREAM_RING, 0, 8);
	put(dev, REFDEV_REG_STREAM_ENTRIES, RING_BYTES / sizeof(struct refdev_record), 4);
	put(dev, REFDEV_REG_STREAM_RATE, RECORDS_PER_S, 8);
	put(dev, REFDEV_REG_STREAM_CONTROL, REFDEV_STREAM_START, 4);
	gw_device_close(dev);
	guest_memory_close(&memory);
}

/* It would write to RAM that the next guest's pages come to. */
static void test_a_device_that_was_at_work(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct ref_vm_options options;
	struct machine machine;
	struct server server;
	uint32_t status = 0;
	char uri[96];

	server_start(&server, 1, 0);
	snprintf(uri, sizeof(uri), "vfio-user:%s", server.path);
	leave_at_work(uri);
	ref_vm_options_init(&options);
	options.memory_bytes = REF_VM_MIN_MEMORY_BYTES;
	options.cpu = REF_VM_CPU_THREAD;
	options.nr_devices = 1;
	options.device_uris[0] = uri;
	options.incoming_uri = "unix:/not/looked/at";
	if (machine_open(&machine, &options, &e))
		fail_msg("%s: %s", e.where, e.what);
	assert_int_equal(gw_device_region_read(machine.devices[0], GW_REGION_BAR0, REFDEV_REG_STREAM_STATUS, &status,
					       sizeof(status), NULL),
			 sizeof(status));
	assert_int_not_equal(status, REFDEV_STATUS_BUSY);
	for (uint64_t at = 0; at < RING_BYTES; at++)
		assert_int_equal(machine.memory.hva[at], 0);
	machine_close(&machine);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_device_that_was_at_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
