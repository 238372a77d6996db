# sources of src/tools/setup
