// expect: the expected sentence
// Wrong: the expected sentence drowns among other errors.
#ifndef PASS
static_assert(sizeof(char) == 2, "the expected sentence");
static_assert(sizeof(char) == 3, "another one");
#endif
int main() {}
