#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comparison.h"
#include "quern_cpu.h"

extern size_t failure_count;
extern uint64_t digest;

static const struct {
  const char *name;
  void (*compare)(uint64_t seed);
} families[] = {
    {"igemm", compare_igemm},         {"depthwise", compare_depthwise},     {"depthwise_f32", compare_depthwise_f32},
    {"rowlinear", compare_rowlinear}, {"elementwise", compare_elementwise}, {"pool", compare_pool},
    {"histogram", compare_histogram}, {"moments", compare_moments},         {"winograd", compare_winograd},
    {"lookup", compare_lookup},       {"layernorm", compare_layernorm},
};
enum { family_count = sizeof families / sizeof families[0], tiers_most = 8 };

// What ran, in the order of the tables' ends.
static struct {
  const char *name;
  size_t runs, skips;
} tiers[family_count][tiers_most];
static size_t current_family;

static uint32_t features(void) {
  uint32_t found = quern_cpu_features();
#if defined(QUERN_AVXVNNI_AS_AVX512)
  found &= ~(uint32_t)QUERN_CPU_AVX_VNNI;
  if (found & QUERN_CPU_AVX512_VNNI) found |= QUERN_CPU_AVX_VNNI;
#endif
  return found;
}

bool tier_runs(const char *name, uint32_t needed_features) {
  const bool runs = (needed_features & ~features()) == 0;
  for (size_t i = 0; i < tiers_most; ++i) {
    if (tiers[current_family][i].name && strcmp(tiers[current_family][i].name, name) != 0) continue;
    tiers[current_family][i].name = name;
    *(runs ? &tiers[current_family][i].runs : &tiers[current_family][i].skips) += 1;
    return runs;
  }
  abort();
}

static void report(void) {
  for (size_t f = 0; f < family_count; ++f) {
    printf("  %-14s", families[f].name);
    for (size_t i = 0; i < tiers_most && tiers[f][i].name; ++i) {
      printf(tiers[f][i].runs ? " %s: %zu runs;" : " %s: skipped, lacks processor features;", tiers[f][i].name,
             tiers[f][i].runs);
    }
    printf("\n");
  }
}

// Whether a tier of this name ran somewhere, and was skipped nowhere.
static bool ran_everywhere(const char *name) {
  size_t runs = 0, skips = 0;
  for (size_t f = 0; f < family_count; ++f) {
    for (size_t i = 0; i < tiers_most && tiers[f][i].name; ++i) {
      if (strcmp(tiers[f][i].name, name) != 0) continue;
      runs += tiers[f][i].runs;
      skips += tiers[f][i].skips;
    }
  }
  return runs > 0 && skips == 0;
}

// Usage: tier-comparison FIRST-SEED PROBLEMS [TIER-THAT-MUST-RUN]...
int main(int count, char **arguments) {
  if (count < 3) return 64;
  const uint64_t first = strtoull(arguments[1], 0, 10), problems = strtoull(arguments[2], 0, 10);
  printf("seeds %llu to %llu for each family\n", (unsigned long long)first, (unsigned long long)(first + problems - 1));
  for (current_family = 0; current_family < family_count; ++current_family) {
    for (uint64_t seed = first; seed < first + problems; ++seed) families[current_family].compare(seed);
  }
  report();
  for (int i = 3; i < count; ++i) {
    if (ran_everywhere(arguments[i])) continue;
    ++failure_count;
    printf("FAILED: tier %s did not run\n", arguments[i]);
  }
  printf("digest of the scalar results: %016llx\n", (unsigned long long)digest);
  printf(failure_count ? "%zu failures\n" : "every tier equals the scalar one\n", failure_count);
  return failure_count ? 1 : 0;
}
