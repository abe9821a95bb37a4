// expect: the expected sentence
// Wrong: it does not compile with PASS defined either.
static_assert(sizeof(char) == 2, "the expected sentence");
int main() {}
