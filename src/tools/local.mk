include src/tools/common/local.mk
include src/tools/setup/local.mk
include src/tools/authority/local.mk
include src/tools/ca/local.mk
include src/tools/ctl/local.mk
include src/tools/attest/local.mk
include src/tools/localca/local.mk
