"""A page as a tree, read by the standard library's parser, which also finds what is not closed."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "input", "br", "link", "img", "hr", "rect", "line", "circle"}


class Node:
    def __init__(self, tag, attrs=(), parent=None):
        self.tag, self.attrs, self.parent, self.children = tag, dict(attrs), parent, []

    @property
    def text(self):
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def words(self):
        return " ".join(self.text.split())

    @property
    def classes(self):
        return (self.attrs.get("class") or "").split()

    def every(self):
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child.every()

    def all(self, tag=None, of=None, **attrs):
        """Every element below with this tag, this class and these attributes (`data_x` is `data-x`)."""
        wanted = {name.replace("_", "-"): value for name, value in attrs.items()}
        return [
            node for node in self.every()
            if (tag is None or node.tag == tag) and (of is None or of in node.classes)
            and all(node.attrs.get(name) == value for name, value in wanted.items())
        ]  # fmt: skip

    def one(self, tag=None, of=None, **attrs):
        found = self.all(tag, of, **attrs)
        assert len(found) == 1, (tag, of, attrs, len(found))
        return found[0]


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.root = self.now = Node("document")

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        node = Node(tag, attrs, self.now)
        self.now.children.append(node)
        if tag not in VOID:
            self.now = node

    def handle_startendtag(self, tag, attrs):
        self.now.children.append(Node(tag, attrs, self.now))

    def handle_endtag(self, tag):
        assert self.now.tag == tag, f"</{tag}> ends <{self.now.tag}>: {self.now.text[:200]}"
        self.now = self.now.parent

    def handle_data(self, data):
        self.now.children.append(data)


def read_page(path):
    """The document of a page. Fails for one that is not closed, or has a name twice."""
    reader = _Reader()
    reader.feed(path.read_text("utf-8"))
    reader.close()
    assert reader.now is reader.root, f"<{reader.now.tag}> is not closed"
    names = [node.attrs["id"] for node in reader.root.every() if "id" in node.attrs]
    assert len(set(names)) == len(names), "an id stands twice"
    return reader.root
