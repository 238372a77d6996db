/*
 * policy.c - the arithmetic of policy digests.
 *
 * Each step hashes the digest so far, the command code and what the command binds; the two that
 * carry a reference hash a second time with it, also when it is empty (Part 3, "PolicyUpdate").
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#include "config.h"

#include "tpm2/policy.h"

#include <string.h>

#include "base/bytes.h"
#include "tpm2/constants.h"

/* A hash that has swallowed the digest so far and the command code. */
static HfHash *begin(const HfDigest *policy, uint32_t command_code)
{
    HfHash *hash = hf_hash_new(policy->alg);
    uint8_t word[4];

    hf_store_u32(word, command_code);
    hf_hash_update(hash, policy->data, policy->size);
    hf_hash_update(hash, word, sizeof word);
    return hash;
}

static void clear(HfDigest *policy)
{
    memset(policy->data, 0, policy->size);
}

/* PolicyUpdate(commandCode, Name, ref). */
static void update(HfDigest *policy, uint32_t command_code, const HfTpmName *name, const void *ref,
                   size_t ref_size)
{
    g_autoptr(HfHash) first = begin(policy, command_code);
    g_autoptr(HfHash) second = hf_hash_new(policy->alg);

    hf_hash_update(first, name->data, name->size);
    hf_hash_finish(first, policy->data);
    hf_hash_update(second, policy->data, policy->size);
    hf_hash_update(second, ref, ref_size);
    hf_hash_finish(second, policy->data);
}

void hf_policy_pcr(HfDigest *policy, const HfPcrSelection *selection, const HfDigest *pcr_digest)
{
    g_autoptr(HfHash) hash = begin(policy, TPM2_CC_PolicyPCR);
    g_autoptr(GByteArray) w = g_byte_array_new();

    g_assert(pcr_digest->alg == policy->alg);
    hf_pcr_selection_write(selection, w);
    hf_hash_update(hash, w->data, w->len);
    hf_hash_update(hash, pcr_digest->data, pcr_digest->size);
    hf_hash_finish(hash, policy->data);
}

void hf_policy_nv(HfDigest *policy, const void *operand, size_t operand_size, uint16_t offset,
                  uint16_t operation, const HfTpmName *nv_name)
{
    g_autoptr(HfHash) args = hf_hash_new(policy->alg);
    g_autoptr(HfHash) hash = begin(policy, TPM2_CC_PolicyNV);
    uint8_t word[2];
    uint8_t digest[HF_HASH_MAX];

    hf_hash_update(args, operand, operand_size);
    hf_store_u16(word, offset);
    hf_hash_update(args, word, sizeof word);
    hf_store_u16(word, operation);
    hf_hash_update(args, word, sizeof word);
    hf_hash_finish(args, digest);
    hf_hash_update(hash, digest, policy->size);
    hf_hash_update(hash, nv_name->data, nv_name->size);
    hf_hash_finish(hash, policy->data);
}

void hf_policy_command_code(HfDigest *policy, uint32_t command_code)
{
    g_autoptr(HfHash) hash = begin(policy, TPM2_CC_PolicyCommandCode);
    uint8_t word[4];

    hf_store_u32(word, command_code);
    hf_hash_update(hash, word, sizeof word);
    hf_hash_finish(hash, policy->data);
}

void hf_policy_authorize(HfDigest *policy, const HfTpmName *key_name, const void *ref,
                         size_t ref_size)
{
    clear(policy);
    update(policy, TPM2_CC_PolicyAuthorize, key_name, ref, ref_size);
}

void hf_policy_secret(HfDigest *policy, const HfTpmName *entity, const void *ref, size_t ref_size)
{
    update(policy, TPM2_CC_PolicySecret, entity, ref, ref_size);
}

void hf_policy_or(HfDigest *policy, const HfDigest *branches, size_t count)
{
    g_autoptr(HfHash) hash = NULL;

    g_assert(count >= 2 && count <= 8);
    clear(policy);
    hash = begin(policy, TPM2_CC_PolicyOR);
    for (size_t i = 0; i < count; i++) {
        g_assert(branches[i].alg == policy->alg);
        hf_hash_update(hash, branches[i].data, branches[i].size);
    }
    hf_hash_finish(hash, policy->data);
}

HfDigest hf_policy_approval(const HfDigest *approved, const void *ref, size_t ref_size)
{
    HfDigest approval = hf_digest_zero(approved->alg);
    g_autoptr(HfHash) hash = hf_hash_new(approved->alg);

    hf_hash_update(hash, approved->data, approved->size);
    hf_hash_update(hash, ref, ref_size);
    hf_hash_finish(hash, approval.data);
    return approval;
}
