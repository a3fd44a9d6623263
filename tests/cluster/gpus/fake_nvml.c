/* A libnvidia-ml.so.1 without a GPU: it answers by the lines of the file that FAKE_NVML names, read anew at each call.
 *
 *   gpus 2            so many GPUs
 *   init 18           what nvmlInit returns (0: fine)
 *   0.busy 55         GPU 0 answers 55 to the question "busy"
 *   0.power !3        GPU 0 answers that question with error 3
 *   0.gone 15         GPU 0 answers everything with error 15
 *   event 0 79        GPU 0 has Xid 79; each such line is told once
 *
 * What no line names has a healthy default. Declarations follow NVML's public interface as nvidia-ml-py binds it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX 16
enum { OK = 0, INVALID = 2, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10 };

typedef struct { int index; int part; } gpu_t; /* part: -1 of a whole GPU, else a MIG instance */
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } busy_t;
typedef struct { unsigned pid; unsigned long long memory; unsigned gi, ci; } process_t;
typedef struct { gpu_t *gpu; unsigned long long type, data; unsigned gi, ci; } event_t;

static gpu_t gpus[MAX], parts[MAX][MAX];
static int told;

/* The value of a key, as text; 0 where no line has it. */
static int line(const char *key, char *value, size_t size) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char found[64], rest[128], text[256];
    int hit = 0;
    while (file && fgets(text, sizeof text, file))
        if (sscanf(text, "%63s %127[^\n]", found, rest) == 2 && !strcmp(found, key)) {
            snprintf(value, size, "%s", rest);
            hit = 1; /* the last line counts */
        }
    if (file) fclose(file);
    return hit;
}

static long number(const char *key, long usual) {
    char value[128];
    return line(key, value, sizeof value) ? atol(value) : usual;
}

/* An answer of one GPU; the return value is NVML's. */
static int ask(gpu_t *gpu, const char *question, unsigned long long usual, unsigned long long *answer) {
    char key[64], value[128];
    snprintf(key, sizeof key, "%d.gone", gpu->index);
    long gone = number(key, OK);
    if (gone) return (int)gone;
    snprintf(key, sizeof key, "%d.%s", gpu->index, question);
    *answer = usual;
    if (!line(key, value, sizeof value)) return OK;
    if (value[0] == '!') return atoi(value + 1);
    *answer = strtoull(value, NULL, 10);
    return OK;
}

static int ask32(gpu_t *gpu, const char *question, unsigned usual, unsigned *answer) {
    unsigned long long wide = 0;
    int code = ask(gpu, question, usual, &wide);
    *answer = (unsigned)wide;
    return code;
}

EXPORT const char *nvmlErrorString(int code) { return code ? "a scripted error" : "fine"; }
EXPORT int nvmlInitWithFlags(unsigned flags) { (void)flags; told = 0; return (int)number("init", OK); }
EXPORT int nvmlShutdown(void) { return OK; }
EXPORT int nvmlDeviceGetCount_v2(unsigned *count) { *count = (unsigned)number("gpus", 1); return OK; }

EXPORT int nvmlSystemGetDriverVersion(char *text, unsigned size) {
    snprintf(text, size, "580.126.09");
    return OK;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu_t **gpu) {
    unsigned long long unused;
    if (index >= MAX) return INVALID;
    gpus[index] = (gpu_t){(int)index, -1};
    *gpu = &gpus[index];
    return ask(*gpu, "handle", 0, &unused);
}

EXPORT int nvmlDeviceGetIndex(gpu_t *gpu, unsigned *index) { *index = (unsigned)gpu->index; return OK; }

EXPORT int nvmlDeviceGetName(gpu_t *gpu, char *text, unsigned size) {
    unsigned long long unused;
    snprintf(text, size, "NVIDIA Fake");
    return ask(gpu, "name", 0, &unused);
}

EXPORT int nvmlDeviceGetUUID(gpu_t *gpu, char *text, unsigned size) {
    unsigned long long unused;
    if (gpu->part < 0) snprintf(text, size, "GPU-%d", gpu->index);
    else snprintf(text, size, "MIG-%d-%d", gpu->index, gpu->part);
    return ask(gpu, "uuid", 0, &unused);
}

EXPORT int nvmlDeviceGetUtilizationRates(gpu_t *gpu, busy_t *busy) {
    busy->memory = 0;
    return ask32(gpu, "busy", 50, &busy->gpu);
}

EXPORT int nvmlDeviceGetMemoryInfo(gpu_t *gpu, memory_t *memory) {
    int code = ask(gpu, "memory.used", 20ULL << 30, &memory->used);
    if (!code) code = ask(gpu, "memory.total", 80ULL << 30, &memory->total);
    memory->free = memory->total - memory->used;
    return code;
}

EXPORT int nvmlDeviceGetPowerUsage(gpu_t *gpu, unsigned *mw) { return ask32(gpu, "power", 350000, mw); }
EXPORT int nvmlDeviceGetEnforcedPowerLimit(gpu_t *gpu, unsigned *mw) { return ask32(gpu, "limit", 700000, mw); }
EXPORT int nvmlDeviceGetCurrPcieLinkGeneration(gpu_t *gpu, unsigned *value) { return ask32(gpu, "pcie.gen", 5, value); }
EXPORT int nvmlDeviceGetCurrPcieLinkWidth(gpu_t *gpu, unsigned *value) { return ask32(gpu, "pcie.width", 16, value); }
EXPORT int nvmlDeviceGetPcieReplayCounter(gpu_t *gpu, unsigned *value) { return ask32(gpu, "pcie.replays", 0, value); }
EXPORT int nvmlDeviceGetMaxMigDeviceCount(gpu_t *gpu, unsigned *count) { return ask32(gpu, "migs", 0, count); }

EXPORT int nvmlDeviceGetTemperature(gpu_t *gpu, int sensor, unsigned *celsius) {
    (void)sensor;
    return ask32(gpu, "temperature", 60, celsius);
}

EXPORT int nvmlDeviceGetClockInfo(gpu_t *gpu, int clock, unsigned *mhz) {
    return clock == 1 ? ask32(gpu, "clock.sm", 1980, mhz) : ask32(gpu, "clock.memory", 2619, mhz);
}

EXPORT int nvmlDeviceGetCurrentClocksEventReasons(gpu_t *gpu, unsigned long long *bits) {
    return ask(gpu, "reasons", 0, bits);
}

EXPORT int nvmlDeviceGetPcieThroughput(gpu_t *gpu, int counter, unsigned *kb) {
    return ask32(gpu, counter ? "pcie.rx" : "pcie.tx", 1000, kb);
}

EXPORT int nvmlDeviceGetNvLinkState(gpu_t *gpu, unsigned link, unsigned *up) {
    unsigned links = 0;
    int code = ask32(gpu, "nvlinks", 0, &links);
    *up = link < links;
    return code;
}

EXPORT int nvmlDeviceGetTotalEccErrors(gpu_t *gpu, int type, int counter, unsigned long long *count) {
    (void)counter;
    return ask(gpu, type ? "ecc.uncorrected" : "ecc.corrected", 0, count);
}

EXPORT int nvmlDeviceGetRemappedRows(gpu_t *gpu, unsigned *good, unsigned *bad, unsigned *pending, unsigned *failed) {
    *good = *bad = 0;
    int code = ask32(gpu, "remap.pending", 0, pending);
    return code ? code : ask32(gpu, "remap.failed", 0, failed);
}

EXPORT int nvmlDeviceGetMigMode(gpu_t *gpu, unsigned *now, unsigned *later) {
    int code = ask32(gpu, "migs", 0, now);
    *now = *later = *now > 0;
    return code;
}

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(gpu_t *gpu, unsigned place, gpu_t **part) {
    unsigned count = 0;
    int code = ask32(gpu, "migs", 0, &count);
    if (code || place >= count || place >= MAX) return code ? code : NOT_FOUND;
    parts[gpu->index][place] = (gpu_t){gpu->index, (int)place};
    *part = &parts[gpu->index][place];
    return OK;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(gpu_t *gpu, unsigned *count, process_t *processes) {
    unsigned pid = 0;
    int code = ask32(gpu, "pid", 0, &pid);
    if (code || !pid) { *count = 0; return code; }
    unsigned room = *count;
    *count = 1;
    if (!processes || !room) return TOO_SMALL;
    processes[0] = (process_t){pid, 18ULL << 30, 0xFFFFFFFF, 0xFFFFFFFF};
    return OK;
}

EXPORT int nvmlEventSetCreate(int **set) { *set = &told; return OK; }
EXPORT int nvmlEventSetFree(int *set) { (void)set; return OK; }

EXPORT int nvmlDeviceRegisterEvents(gpu_t *gpu, unsigned long long types, int *set) {
    unsigned long long unused;
    (void)types; (void)set;
    return ask(gpu, "events", 0, &unused);
}

/* Does not wait: a test does. */
EXPORT int nvmlEventSetWait_v2(int *set, event_t *event, unsigned ms) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char text[256];
    unsigned index, xid;
    int seen = 0, code = TIMEOUT;
    (void)ms;
    while (file && code && fgets(text, sizeof text, file))
        if (sscanf(text, "event %u %u", &index, &xid) == 2 && seen++ == *set && index < MAX) {
            gpus[index] = (gpu_t){(int)index, -1};
            *event = (event_t){&gpus[index], 8, xid, 0xFFFFFFFF, 0xFFFFFFFF};
            *set += 1;
            code = OK;
        }
    if (file) fclose(file);
    return code;
}
