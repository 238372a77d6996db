# sources of src/tools/attest
