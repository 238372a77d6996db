/*
 * certs_tool.h - certificates from a program of the site: swtpm_setup's create_certs_tool.
 *
 * Called once for each certificate, as swtpm_setup calls it: options tell the kind, the key, the
 * TPM and a directory in which the program has to leave ek.cert or platform.cert (DER). The
 * program runs as the user of this process and sees nothing of the TPM but its public key. What it
 * prints goes to the log. Its certificate must be one for that key; who signed it, and what else it
 * says, is the site's business.
 *
 * SPDX-License-Identifier: BSD-3-Clause
 */
#ifndef HOLDFAST_TOOLS_SETUP_CERTS_TOOL_H
#define HOLDFAST_TOOLS_SETUP_CERTS_TOOL_H

#include "pki/certificate.h"
#include "tools/setup/engine_child.h"
#include "tools/setup/setup_options.h"

typedef struct HfCertsTool HfCertsTool;

/* The plan's program, which must exist. `engine` tells manufacturer, model and version as swtpm's
 * library has them; it is only asked. The plan must live as long. */
HfCertsTool *hf_certs_tool_new(const HfSetupPlan *plan, HfEngineChild *engine, GError **error);
void hf_certs_tool_free(HfCertsTool *tool);

/* type: "ek" or "platform". */
HfCertificate *hf_certs_tool_issue(HfCertsTool *tool, const char *type, const HfPublic *key,
                                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HfCertsTool, hf_certs_tool_free)

#endif
