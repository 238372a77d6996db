# sources of src/tpm2
