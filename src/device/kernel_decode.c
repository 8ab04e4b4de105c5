/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of the kernel back end as fields of a trace: see kernel_decode.h. Field names are those of linux/vfio.h
 * and linux/iommufd.h.
 */
#include "device/kernel_decode.h"

#include "base/bits.h"
#include "device/trace_feature.h"
#include "device/uapi.h"

#include <string.h>

#define AT(type, field, how)                                                            \
	{                                                                               \
#field, offsetof(type, field), sizeof(((type *)NULL)->field), how, NULL \
	}
#define FLAGS_AT(type, field, names)                                                                \
	{                                                                                           \
#field, offsetof(type, field), sizeof(((type *)NULL)->field), TRACE_AS_FLAGS, names \
	}
#define NUMBER_AT(type, field) AT(type, field, TRACE_AS_NUMBER)
#define HEX_AT(type, field)    AT(type, field, TRACE_AS_HEX)
#define END                         \
	{                           \
		NULL, 0, 0, 0, NULL \
	}
#define FEATURE_MAX_BYTES 72u /* what every caller's buffer has */

static const struct trace_name device_flags[] = {
	{ VFIO_DEVICE_FLAGS_RESET, "RESET" },
	{ VFIO_DEVICE_FLAGS_PCI, "PCI" },
	{ VFIO_DEVICE_FLAGS_CAPS, "CAPS" },
	{ 0, NULL },
};

static const struct trace_name region_flags[] = {
	{ VFIO_REGION_INFO_FLAG_READ, "READ" },
	{ VFIO_REGION_INFO_FLAG_WRITE, "WRITE" },
	{ VFIO_REGION_INFO_FLAG_MMAP, "MMAP" },
	{ VFIO_REGION_INFO_FLAG_CAPS, "CAPS" },
	{ 0, NULL },
};

static const struct trace_name irq_flags[] = {
	{ VFIO_IRQ_INFO_EVENTFD, "EVENTFD" },
	{ VFIO_IRQ_INFO_MASKABLE, "MASKABLE" },
	{ VFIO_IRQ_INFO_AUTOMASKED, "AUTOMASKED" },
	{ VFIO_IRQ_INFO_NORESIZE, "NORESIZE" },
	{ 0, NULL },
};

static const struct trace_name irq_set_flags[] = {
	{ VFIO_IRQ_SET_DATA_NONE, "DATA_NONE" },
	{ VFIO_IRQ_SET_DATA_BOOL, "DATA_BOOL" },
	{ VFIO_IRQ_SET_DATA_EVENTFD, "DATA_EVENTFD" },
	{ VFIO_IRQ_SET_ACTION_MASK, "ACTION_MASK" },
	{ VFIO_IRQ_SET_ACTION_UNMASK, "ACTION_UNMASK" },
	{ VFIO_IRQ_SET_ACTION_TRIGGER, "ACTION_TRIGGER" },
	{ 0, NULL },
};

static const struct trace_name group_flags[] = {
	{ VFIO_GROUP_FLAGS_VIABLE, "VIABLE" },
	{ VFIO_GROUP_FLAGS_CONTAINER_SET, "CONTAINER_SET" },
	{ 0, NULL },
};

static const struct trace_name type1_info_flags[] = {
	{ VFIO_IOMMU_INFO_PGSIZES, "PGSIZES" },
	{ VFIO_IOMMU_INFO_CAPS, "CAPS" },
	{ 0, NULL },
};

static const struct trace_name type1_map_flags[] = {
	{ VFIO_DMA_MAP_FLAG_READ, "READ" },
	{ VFIO_DMA_MAP_FLAG_WRITE, "WRITE" },
	{ 0, NULL },
};

static const struct trace_name type1_unmap_flags[] = {
	{ VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, "GET_DIRTY_BITMAP" },
	{ 0, NULL },
};

static const struct trace_name type1_dirty_flags[] = {
	{ VFIO_IOMMU_DIRTY_PAGES_FLAG_START, "START" },
	{ VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP, "STOP" },
	{ VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP, "GET_BITMAP" },
	{ 0, NULL },
};

static const struct trace_name iommu_types[] = {
	{ VFIO_TYPE1v2_IOMMU, "TYPE1v2_IOMMU" },
	{ 0, NULL },
};

static const struct trace_name ioas_map_flags[] = {
	{ IOMMU_IOAS_MAP_FIXED_IOVA, "FIXED_IOVA" },
	{ IOMMU_IOAS_MAP_WRITEABLE, "WRITEABLE" },
	{ IOMMU_IOAS_MAP_READABLE, "READABLE" },
	{ 0, NULL },
};

static const struct trace_name hwpt_alloc_flags[] = {
	{ IOMMU_HWPT_ALLOC_DIRTY_TRACKING, "DIRTY_TRACKING" },
	{ 0, NULL },
};

static const struct trace_name tracking_flags[] = {
	{ IOMMU_HWPT_DIRTY_TRACKING_ENABLE, "ENABLE" },
	{ 0, NULL },
};

static const struct trace_name get_dirty_flags[] = {
	{ IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, "NO_CLEAR" },
	{ 0, NULL },
};

static const struct trace_row device_info_out[] = {
	FLAGS_AT(struct vfio_device_info, flags, device_flags),
	NUMBER_AT(struct vfio_device_info, num_regions),
	NUMBER_AT(struct vfio_device_info, num_irqs),
	END,
};
static const struct trace_row region_in[] = { NUMBER_AT(struct vfio_region_info, index), END };
static const struct trace_row region_out[] = {
	FLAGS_AT(struct vfio_region_info, flags, region_flags),
	HEX_AT(struct vfio_region_info, size),
	HEX_AT(struct vfio_region_info, offset),
	END,
};
static const struct trace_row irq_in[] = { NUMBER_AT(struct vfio_irq_info, index), END };
static const struct trace_row irq_out[] = {
	FLAGS_AT(struct vfio_irq_info, flags, irq_flags),
	NUMBER_AT(struct vfio_irq_info, count),
	END,
};
static const struct trace_row irq_set_in[] = {
	FLAGS_AT(struct vfio_irq_set, flags, irq_set_flags),
	NUMBER_AT(struct vfio_irq_set, index),
	NUMBER_AT(struct vfio_irq_set, start),
	NUMBER_AT(struct vfio_irq_set, count),
	END,
};
/* Without the opt-in of 7.1 the flags mean nothing: shown as they are. */
static const struct trace_row precopy_in[] = { NUMBER_AT(struct vfio_precopy_info, argsz), END };
static const struct trace_row precopy_out[] = {
	HEX_AT(struct vfio_precopy_info, flags),
	NUMBER_AT(struct vfio_precopy_info, initial_bytes),
	NUMBER_AT(struct vfio_precopy_info, dirty_bytes),
	END,
};
static const struct trace_row bind_in[] = { AT(struct vfio_device_bind_iommufd, iommufd, TRACE_AS_FD), END };
static const struct trace_row bind_out[] = { NUMBER_AT(struct vfio_device_bind_iommufd, out_devid), END };
static const struct trace_row attach[] = { NUMBER_AT(struct vfio_device_attach_iommufd_pt, pt_id), END };
static const struct trace_row group_out[] = { FLAGS_AT(struct vfio_group_status, flags, group_flags), END };
static const struct trace_row type1_info_out[] = {
	NUMBER_AT(struct vfio_iommu_type1_info, argsz),
	FLAGS_AT(struct vfio_iommu_type1_info, flags, type1_info_flags),
	HEX_AT(struct vfio_iommu_type1_info, iova_pgsizes),
	END,
};
static const struct trace_row type1_map_in[] = {
	FLAGS_AT(struct vfio_iommu_type1_dma_map, flags, type1_map_flags),
	HEX_AT(struct vfio_iommu_type1_dma_map, vaddr),
	HEX_AT(struct vfio_iommu_type1_dma_map, iova),
	HEX_AT(struct vfio_iommu_type1_dma_map, size),
	END,
};
static const struct trace_row type1_unmap_in[] = {
	FLAGS_AT(struct vfio_iommu_type1_dma_unmap, flags, type1_unmap_flags),
	HEX_AT(struct vfio_iommu_type1_dma_unmap, iova),
	HEX_AT(struct vfio_iommu_type1_dma_unmap, size),
	END,
};
static const struct trace_row type1_unmap_out[] = { HEX_AT(struct vfio_iommu_type1_dma_unmap, size), END };
#define DIRTY_HEAD sizeof(struct vfio_iommu_type1_dirty_bitmap)
static const struct trace_row type1_dirty_in[] = {
	FLAGS_AT(struct vfio_iommu_type1_dirty_bitmap, flags, type1_dirty_flags),
	{ "iova", DIRTY_HEAD + offsetof(struct vfio_iommu_type1_dirty_bitmap_get, iova), 8, TRACE_AS_HEX, NULL },
	{ "size", DIRTY_HEAD + offsetof(struct vfio_iommu_type1_dirty_bitmap_get, size), 8, TRACE_AS_HEX, NULL },
	END,
};
static const struct trace_row ioas_alloc_out[] = { NUMBER_AT(struct iommu_ioas_alloc, out_ioas_id), END };
static const struct trace_row ioas_map_in[] = {
	FLAGS_AT(struct iommu_ioas_map, flags, ioas_map_flags),
	NUMBER_AT(struct iommu_ioas_map, ioas_id),
	HEX_AT(struct iommu_ioas_map, user_va),
	HEX_AT(struct iommu_ioas_map, length),
	HEX_AT(struct iommu_ioas_map, iova),
	END,
};
static const struct trace_row ioas_unmap_in[] = {
	NUMBER_AT(struct iommu_ioas_unmap, ioas_id),
	HEX_AT(struct iommu_ioas_unmap, iova),
	HEX_AT(struct iommu_ioas_unmap, length),
	END,
};
static const struct trace_row ioas_unmap_out[] = { HEX_AT(struct iommu_ioas_unmap, length), END };
static const struct trace_row destroy_in[] = { NUMBER_AT(struct iommu_destroy, id), END };
static const struct trace_row hwpt_alloc_in[] = {
	FLAGS_AT(struct iommu_hwpt_alloc, flags, hwpt_alloc_flags),
	NUMBER_AT(struct iommu_hwpt_alloc, dev_id),
	NUMBER_AT(struct iommu_hwpt_alloc, pt_id),
	END,
};
static const struct trace_row hwpt_alloc_out[] = { NUMBER_AT(struct iommu_hwpt_alloc, out_hwpt_id), END };
static const struct trace_row tracking_in[] = {
	FLAGS_AT(struct iommu_hwpt_set_dirty_tracking, flags, tracking_flags),
	NUMBER_AT(struct iommu_hwpt_set_dirty_tracking, hwpt_id),
	END,
};
static const struct trace_row get_dirty_in[] = {
	NUMBER_AT(struct iommu_hwpt_get_dirty_bitmap, hwpt_id),
	FLAGS_AT(struct iommu_hwpt_get_dirty_bitmap, flags, get_dirty_flags),
	HEX_AT(struct iommu_hwpt_get_dirty_bitmap, iova),
	HEX_AT(struct iommu_hwpt_get_dirty_bitmap, length),
	NUMBER_AT(struct iommu_hwpt_get_dirty_bitmap, page_size),
	END,
};
static const struct trace_row extension_in[] = { { "extension", 0, 4, TRACE_AS_NAME, iommu_types }, END };
static const struct trace_row set_iommu_in[] = { { "type", 0, 4, TRACE_AS_NAME, iommu_types }, END };
static const struct trace_row container_in[] = { { "container", 0, 4, TRACE_AS_FD, NULL }, END };
static const struct trace_row name_in[] = { { "name", 0, 0, TRACE_AS_TEXT, NULL }, END };

/* What the third argument of ioctl(2) is. A struct begins with its size, which says how far it may be read. */
enum argument { ARG_NONE = 0, ARG_STRUCT, ARG_FEATURE, ARG_VALUE, ARG_INT, ARG_TEXT };

static const struct request {
	unsigned long number;
	const char *name;
	uint8_t file, argument;
	uint16_t max_bytes; /* of a struct */
	const struct trace_row *in, *out;
} requests[] = {
#define DEVICE(number, type, in, out)                                                 \
	{                                                                             \
		number, #number, KERNEL_FILE_OTHER, ARG_STRUCT, sizeof(type), in, out \
	}
#define CONTAINER(number, type, in, out)                                                  \
	{                                                                                 \
		number, #number, KERNEL_FILE_CONTAINER, ARG_STRUCT, sizeof(type), in, out \
	}
	{ VFIO_DEVICE_FEATURE, "VFIO_DEVICE_FEATURE", KERNEL_FILE_OTHER, ARG_FEATURE, FEATURE_MAX_BYTES, NULL, NULL },
	{ VFIO_DEVICE_RESET, "VFIO_DEVICE_RESET", KERNEL_FILE_OTHER, ARG_NONE, 0, NULL, NULL },
	DEVICE(VFIO_DEVICE_GET_INFO, struct vfio_device_info, NULL, device_info_out),
	DEVICE(VFIO_DEVICE_GET_REGION_INFO, struct vfio_region_info, region_in, region_out),
	DEVICE(VFIO_DEVICE_GET_IRQ_INFO, struct vfio_irq_info, irq_in, irq_out),
	DEVICE(VFIO_DEVICE_SET_IRQS, struct vfio_irq_set, irq_set_in, NULL),
	DEVICE(VFIO_MIG_GET_PRECOPY_INFO, struct vfio_precopy_info, precopy_in, precopy_out),
	DEVICE(VFIO_DEVICE_BIND_IOMMUFD, struct vfio_device_bind_iommufd, bind_in, bind_out),
	DEVICE(VFIO_DEVICE_ATTACH_IOMMUFD_PT, struct vfio_device_attach_iommufd_pt, attach, attach),
	DEVICE(IOMMU_IOAS_ALLOC, struct iommu_ioas_alloc, NULL, ioas_alloc_out),
	DEVICE(IOMMU_IOAS_MAP, struct iommu_ioas_map, ioas_map_in, NULL),
	DEVICE(IOMMU_IOAS_UNMAP, struct iommu_ioas_unmap, ioas_unmap_in, ioas_unmap_out),
	DEVICE(IOMMU_DESTROY, struct iommu_destroy, destroy_in, NULL),
	DEVICE(IOMMU_HWPT_ALLOC, struct iommu_hwpt_alloc, hwpt_alloc_in, hwpt_alloc_out),
	DEVICE(IOMMU_HWPT_SET_DIRTY_TRACKING, struct iommu_hwpt_set_dirty_tracking, tracking_in, NULL),
	DEVICE(IOMMU_HWPT_GET_DIRTY_BITMAP, struct iommu_hwpt_get_dirty_bitmap, get_dirty_in, NULL),
	DEVICE(VFIO_GROUP_GET_STATUS, struct vfio_group_status, NULL, group_out),
	{ VFIO_GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER", KERNEL_FILE_OTHER, ARG_INT, 0, container_in, NULL },
	{ VFIO_GROUP_GET_DEVICE_FD, "VFIO_GROUP_GET_DEVICE_FD", KERNEL_FILE_OTHER, ARG_TEXT, 0, name_in, NULL },
	{ VFIO_GET_API_VERSION, "VFIO_GET_API_VERSION", KERNEL_FILE_CONTAINER, ARG_NONE, 0, NULL, NULL },
	{ VFIO_CHECK_EXTENSION, "VFIO_CHECK_EXTENSION", KERNEL_FILE_CONTAINER, ARG_VALUE, 0, extension_in, NULL },
	{ VFIO_SET_IOMMU, "VFIO_SET_IOMMU", KERNEL_FILE_CONTAINER, ARG_VALUE, 0, set_iommu_in, NULL },
	CONTAINER(VFIO_IOMMU_GET_INFO, struct vfio_iommu_type1_info, NULL, type1_info_out),
	CONTAINER(VFIO_IOMMU_MAP_DMA, struct vfio_iommu_type1_dma_map, type1_map_in, NULL),
	CONTAINER(VFIO_IOMMU_UNMAP_DMA, struct vfio_iommu_type1_dma_unmap, type1_unmap_in, type1_unmap_out),
	{ VFIO_IOMMU_DIRTY_PAGES, "VFIO_IOMMU_DIRTY_PAGES", KERNEL_FILE_CONTAINER, ARG_STRUCT,
	  DIRTY_HEAD + sizeof(struct vfio_iommu_type1_dirty_bitmap_get), type1_dirty_in, NULL },
};

static const struct request *find(enum kernel_file file, unsigned long number)
{
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].number == number && requests[i].file == file)
			return &requests[i];
	return NULL;
}

const char *kernel_decode_name(enum kernel_file file, unsigned long request)
{
	const struct request *found = find(file, request);

	return found ? found->name : "ioctl";
}

/* The bytes that an argument says it has, and every caller's struct has too. */
static size_t struct_bytes(const struct request *request, const void *arg)
{
	uint32_t stated;

	memcpy(&stated, arg, sizeof(stated));
	return min_u64(stated, request->max_bytes);
}

void kernel_decode_argument(struct trace_list *arguments, enum kernel_file file, unsigned long request, const void *arg)
{
	const struct request *found = find(file, request);
	uint32_t value = (uint32_t)(uintptr_t)arg;

	if (!found) {
		trace_add_number(arguments, "request", GW_TRACE_HEX, request);
		return;
	}
	switch (found->argument) {
	case ARG_STRUCT:
		trace_add_rows(arguments, found->in, arg, struct_bytes(found, arg));
		break;
	case ARG_FEATURE:
		trace_feature_request(arguments, arg, struct_bytes(found, arg));
		break;
	case ARG_VALUE:
		trace_add_rows(arguments, found->in, &value, sizeof(value));
		break;
	case ARG_INT:
		trace_add_rows(arguments, found->in, arg, sizeof(int));
		break;
	case ARG_TEXT:
		trace_add_rows(arguments, found->in, arg, strlen(arg) + 1);
		break;
	}
}

void kernel_decode_answer(struct trace_list *answers, enum kernel_file file, unsigned long request, const void *arg)
{
	const struct request *found = find(file, request);
	uint32_t flags;

	if (!found)
		return;
	if (found->argument == ARG_STRUCT)
		trace_add_rows(answers, found->out, arg, struct_bytes(found, arg));
	if (found->argument != ARG_FEATURE)
		return;
	memcpy(&flags, (const uint8_t *)arg + offsetof(struct vfio_device_feature, flags), sizeof(flags));
	trace_feature_reply(answers, flags, arg, struct_bytes(found, arg));
}
