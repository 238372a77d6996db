# sources of src/tools/ca
