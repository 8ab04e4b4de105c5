/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM's devices and their drivers. */
#include "ref/guest/bare/devices.h"

#include "ref/guest/bare/pci.h"
#include "ref/guest/driver.h"
#include "ref/guest/page_pattern.h"

/* At two million instructions a second a vCPU is busy with one operation, or a tick's records, for some 20 ms. */
#define GENTLE_RECORDS_PER_S   500
#define GENTLE_OPERATION_BYTES 4096

static struct device {
	struct gw_device dev;
	const struct driver_ops *driver; /* NULL: carried along without one */
	void *ctx;
} devices[GW_MAX_DEVICES];

static struct driver_env env_of(uint32_t index, enum devices_pace pace)
{
	uint64_t area_gpa = BARE_AREAS_GPA + (uint64_t)index * DRIVER_AREA_BYTES;

	return (struct driver_env){
		.dev = &devices[index].dev,
		.area_gpa = area_gpa,
		.area = (uint8_t *)BARE_RAM_VA + area_gpa,
		.seed = page_pattern_mix(MAILBOX->parameters.seed + index + 1),
		.integrity = &MAILBOX->integrity,
		.records_per_s = pace == DEVICES_GENTLE ? GENTLE_RECORDS_PER_S : 0,
		.operation_bytes = pace == DEVICES_GENTLE ? GENTLE_OPERATION_BYTES : 0,
	};
}

static void start(uint32_t index, enum devices_pace pace)
{
	const struct bare_parameters *parameters = &MAILBOX->parameters;
	struct device *device = &devices[index];
	struct driver_env env = env_of(index, pace);
	struct gw_device_info info;
	struct gw_error e = GW_ERROR_NONE;
	const struct driver_ops *driver = NULL;

	if (bare_pci_open(&device->dev, index, vcpus[index % parameters->nr_vcpus].apic_id, &info))
		gw_error_set(&e, -1, device->dev.id, "it is not on the bus");
	else
		driver = driver_find(&info);
	if (driver && !driver->open(&device->ctx, &env, &e) && !driver->start(device->ctx, &e))
		device->driver = driver;
	if (e.code)
		integrity_fail(&MAILBOX->integrity, "%s: %s", e.where, e.what);
}

void devices_start(enum devices_pace pace)
{
	for (uint32_t i = 0; i < MAILBOX->parameters.nr_devices; i++)
		start(i, pace);
}

void devices_tick(struct vcpu *v, uint64_t now_ns)
{
	const struct bare_parameters *parameters = &MAILBOX->parameters;
	struct driver_counters counters, all = { 0 };

	for (uint32_t i = v->index; i < parameters->nr_devices; i += parameters->nr_vcpus) {
		if (!devices[i].driver)
			continue;
		devices[i].driver->tick(devices[i].ctx, now_ns);
		devices[i].driver->counters(devices[i].ctx, &counters);
		all.operations += counters.operations;
		all.stamps += counters.stamps;
	}
	v->told->operations = all.operations;
	v->told->stamps = all.stamps;
}

const char *devices_driver(uint32_t index)
{
	return devices[index].driver ? devices[index].driver->name : "none";
}
