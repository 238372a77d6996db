"""goals.py - what the figures should be, and whether they are: a row for each goal, measured or not.

A row compares the medians of two subjects, of a subject now and later, or a figure with a number.
`minima` is the same of the smallest samples: where the two disagree the machine was busy.

SPDX-License-Identifier: BSD-3-Clause
"""
import os

LAUNCH = "launch to the first answer"
TRIP = "command round trip"
ECC = "ECDSA P-256"
RSA = "RSA-2048"
SLOTS = "durable NV write, two slots in a file"
DIRECTORY = "NV write, swtpm's directory format"
MEMORY = "memory of an idle TPM"
SETUP = "manufacture, RSA-2048 and P-384, three certificates, file signer"
HOST = "the same, key in the host TPM"
MIGRATION = "migration: get and set both blobs, INIT"
BUSY = "control requests while an RSA key is made"
THOUSAND = "1,000 TPMs on one host"

NUMBER = "a number"  # the figure itself is held against the goal

# (what, measure, subject, goal, against): at most the goal. `against` is a subject of the same
# measure, another measure of the same subject, or NUMBER.
GOALS = [
    (LAUNCH, "launch_fresh", "holdfast", 0.40, "swtpm"),
    (LAUNCH, "launch_existing", "holdfast", 0.40, "swtpm"),
    (LAUNCH, "launch_fresh", "static", 0.20, "swtpm"),
    (LAUNCH, "launch_existing", "static", 0.20, "swtpm"),
    (TRIP, "getrandom_32", "holdfast", 1.15, "limit"),
    (TRIP, "pcr_read", "holdfast", 1.15, "limit"),
    (TRIP, "pcr_extend", "holdfast", 1.15, "limit"),
    (TRIP, "nv_read_64", "holdfast", 1.15, "limit"),
    (TRIP, "getrandom_32_system_calls", "holdfast", 2, NUMBER),
    (TRIP, "pcr_read_system_calls", "holdfast", 2, NUMBER),
    (TRIP, "pcr_extend_system_calls", "holdfast", 2, NUMBER),
    (TRIP, "nv_read_64_system_calls", "holdfast", 2, NUMBER),
    (ECC, "p256_sign", "holdfast", 0.20, "swtpm"),
    (ECC, "p256_quote", "holdfast", 0.20, "swtpm"),
    (ECC, "p256_create", "holdfast", 0.20, "swtpm"),
    (RSA, "rsa2048_sign", "holdfast", 0.50, "swtpm"),
    (RSA, "rsa2048_decrypt", "holdfast", 0.50, "swtpm"),
    (RSA, "rsa2048_quote", "holdfast", 0.50, "swtpm"),
    (SLOTS, "nv_write_64_disk", "slots", 1.3, "limit"),
    (SLOTS, "nv_write_64_disk", "slots", 0.5, "swtpm"),
    (DIRECTORY, "nv_write_64_disk", "holdfast", 1.2, "limit"),
    (DIRECTORY, "nv_write_64_disk", "holdfast_nosync", 1.0, "swtpm"),
    (DIRECTORY, "nv_write_64_tmpfs", "holdfast_nosync", 1.0, "swtpm"),
] + [
    (MEMORY, f"{kind}_{count}_kb", subject, goal, "swtpm")
    for subject, goal in (("holdfast", 0.85), ("static", 0.65))
    for count in (1, 100, 500) for kind in ("pss", "private")
] + [
    (SETUP, "setup_rsa2048_p384_3_certificates", "holdfast", 0.50, "swtpm"),
    (SETUP, "setup_rsa2048_p384_3_certificates_lazy", "holdfast", 0.10, "swtpm"),
    (SETUP, "setup_programs", "holdfast", 1, NUMBER),
    # one processor's share, and what the processes have in common
    (SETUP, "batch_3_certificates", "all_processors", 1 / max(1, os.cpu_count()) + 0.15,
     "one_at_a_time"),
    (HOST, "host_tpm_signatures", "holdfast", 3, NUMBER),
    (HOST, "host_tpm_policy_verifications", "holdfast", 1, NUMBER),
    (MIGRATION, "migrate_warm", "holdfast", 0.35, "swtpm"),
    (MIGRATION, "migrate_cold", "holdfast", 0.35, "swtpm"),
    (BUSY, "control_during_rsa_create", "holdfast", 5000, NUMBER),
    (BUSY, "cancel_during_rsa_create_primary", "holdfast", 5000, NUMBER),
    (BUSY, "cancelled_percent", "holdfast", -100, NUMBER),
    (THOUSAND, "start_last_100_of_1000", "holdfast", 1.25, "start_first_100_of_1000"),
    (THOUSAND, "pss_1000_kb", "holdfast", 1.05, "pss_100_kb"),
    (THOUSAND, "descriptors_1000", "holdfast", 1.0, "descriptors_100"),
    (THOUSAND, "idle_wakeups_10s_100", "holdfast", 0, NUMBER),
    (THOUSAND, "idle_wakeups_10s_500", "holdfast", 0, NUMBER),
    (THOUSAND, "idle_wakeups_10s_1000", "holdfast", 0, NUMBER),
]


def floors(table, statistic):
    """What the disk takes, and the round trip: the limit of a durable NV write."""
    trip = table.get("pcr_read", {}).get("limit", {}).get(statistic, 0)
    disk = table.get("storage_disk", {})
    if not disk:
        return {}
    return {"holdfast": disk["write_fdatasync_rename_fsync"][statistic] + trip,
            "slots": disk["pwrite_fdatasync"][statistic] + trip}


def figure(table, measure, subject, against, statistic):
    """The figure that is held against the goal, or None where something was not measured."""
    value = table.get(measure, {}).get(subject, {}).get(statistic)
    if value is None or against == NUMBER:
        return value
    if against == "limit" and measure.startswith("nv_write"):
        base = floors(table, statistic).get(subject)
    elif against in table.get(measure, {}):
        base = table[measure][against][statistic]
    else:
        base = table.get(against, {}).get(subject, {}).get(statistic)
    return value / base if base else None


def judge(table):
    rows = []
    for what, measure, subject, goal, against in GOALS:
        found, least = (figure(table, measure, subject, against, s) for s in ("median", "min"))
        rows.append({"what": what, "measure": measure, "subject": subject, "against": against,
                     "goal": abs(goal), "measured": found, "minima": least,
                     "reached": None if found is None else
                     found >= -goal if goal < 0 else found <= goal})
    return rows


def lines(rows):
    def number(value):
        return "-" if value is None else f"{value:.3f}"

    text = [f"{'goal':40} {'subject':15} {'against':24} {'goal':>9} {'measured':>10} {'minima':>10}  "
            "reached"]
    before = None
    for row in rows:
        if row["what"] != before:
            before = row["what"]
            text.append(before)
        verdict = {None: "not measured", True: "yes", False: "NO"}[row["reached"]]
        text.append(f"  {row['measure']:38} {row['subject']:15} {row['against']:24} "
                    f"{row['goal']:9.2f} {number(row['measured']):>10} {number(row['minima']):>10}"
                    f"  {verdict}")
    reached = sum(row["reached"] is True for row in rows)
    missed = sum(row["reached"] is False for row in rows)
    text.append(f"{len(rows)} goals: {reached} reached, {missed} missed, "
                f"{len(rows) - reached - missed} not measured")
    return text
