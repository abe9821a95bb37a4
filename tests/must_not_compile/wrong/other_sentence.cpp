// expect: the expected sentence
// Wrong: it is refused with another sentence.
#ifndef PASS
static_assert(sizeof(char) == 2, "some other sentence");
#endif
int main() {}
